// Multiply-adds on registers only: the peak speed of one core.
#if defined(__AVX512F__)
constexpr int WIDTH = 16, SUMS = 24;  // of 32 registers
#elif defined(__AVX__)
constexpr int WIDTH = 8, SUMS = 12;  // of 16
#elif defined(__aarch64__)
constexpr int WIDTH = 4, SUMS = 24;  // of 32
#else
constexpr int WIDTH = 4, SUMS = 12;
#endif
typedef float V __attribute__((vector_size(4 * WIDTH)));

// The sums converge to 1: no overflow, no subnormal numbers, and no result that the compiler can compute beforehand.
extern "C" double multiply_add(long rounds, float seed) {
  V sum[SUMS], a = V{} + seed, b = V{} + (1 - seed);
#pragma GCC unroll 24
  for (int i = 0; i < SUMS; i++) sum[i] = V{} + seed * i;
  for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * a + b;
  }
  V total = {};
#pragma GCC unroll 24
  for (int i = 0; i < SUMS; i++) total += sum[i];
  double all = 0;
  for (int j = 0; j < WIDTH; j++) all += total[j];
  return all;
}

extern "C" long operations(long rounds) { return rounds * SUMS * WIDTH * 2; }
