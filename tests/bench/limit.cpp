// Multiply-adds in registers only: what one core does at most.
typedef float V __attribute__((vector_size(64)));

extern "C" double multiply_add(long rounds, float seed) {
  constexpr int N = 24;
  V sum[N], a = V{} + seed, b = V{} + (1 - seed);
  for (int i = 0; i < N; i++) sum[i] = V{} + seed * i;
  for (long r = 0; r < rounds; r++) {
    for (int i = 0; i < N; i++) sum[i] = sum[i] * a + b;
    asm volatile("" ::: "memory");
  }
  double total = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < 16; j++) total += sum[i][j];
  return total;
}

extern "C" long operations(long rounds) { return rounds * 24 * 16 * 2; }
