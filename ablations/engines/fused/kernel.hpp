// Code shared by all kernels: SIMD vectors, elementary functions, the matrix product, copies, scratch memory and threads.
// It uses the vector extensions of GCC and Clang only, so that the same source compiles for AVX2, AVX-512 and Arm.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#ifdef DOUBLE
typedef double real;
typedef int64_t integer;
#else
typedef float real;
typedef int32_t integer;
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
#define MANY_REGISTERS  // 32 vector registers hold a block of 6 rows and 4 vectors; 16 hold 2 vectors
#endif
// A vector is one register. GCC splits wider ones, and comparisons of those element by element.
#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif
constexpr int VL = BYTES / sizeof(real);  // numbers in a vector
typedef real V __attribute__((vector_size(BYTES)));
typedef integer VI __attribute__((vector_size(BYTES)));

static inline V load(const real* p) { V v; memcpy(&v, p, BYTES); return v; }
static inline void store(real* p, V v) { memcpy(p, &v, BYTES); }
static inline V all(real x) { return x - V{}; }  // x itself, also -0: one load to all elements, where + has an addition
static inline int pad(int n) { return (n + VL - 1) / VL * VL; }

#ifdef DOUBLE
// float64 is for tests: the functions of the C++ library, element by element.
static inline V exp_(V x) { for (int i = 0; i < VL; i++) x[i] = std::exp(x[i]); return x; }
static inline V tanh_(V x) { for (int i = 0; i < VL; i++) x[i] = std::tanh(x[i]); return x; }
static inline V sigmoid_(V x) { return 1.0 / (1.0 + exp_(-x)); }
static inline V expm1_(V x) { for (int i = 0; i < VL; i++) x[i] = std::expm1(x[i]); return x; }
static inline V log_(V x) { for (int i = 0; i < VL; i++) x[i] = std::log(x[i]); return x; }
static inline V log1p_(V x) { for (int i = 0; i < VL; i++) x[i] = std::log1p(x[i]); return x; }
#else
// x is the second operand of each comparison, which is false for NaN: NaN is returned for NaN.
static inline V bounded(V x, real low, real high) {
  x = all(low) > x ? all(low) : x;
  return all(high) < x ? all(high) : x;
}
// e^x = 2^n e^r with |r| <= ln2/2, for -87 <= x <= 88.3, where e^x is a normal number; infinity at 89.
struct Power {
  V minus_one, scale;  // e^r - 1 and 2^n
  explicit Power(V x) {
    V n = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: the addition rounds to the nearest whole number
    VI exponent;
    memcpy(&exponent, &n, BYTES);
    exponent = (exponent + 127) << 23;  // the low bits of the rounded sum are n
    memcpy(&scale, &exponent, BYTES);
    n = n - 12582912.0f;
    V r = x - n * 0.693359375f;  // ln2 in two parts (Cody and Waite): the first product is exact
    r = r + n * 2.12194440e-4f;
    V p = all(1.388251653616163e-3f);  // fitted to (e^r - 1 - r) / r^2: the relative error of e^r - 1 is 2^-26
    p = p * r + 8.366547217557817e-3f;
    p = p * r + 4.166720071358497e-2f;
    p = p * r + 1.6666543423632335e-1f;
    p = p * r + 4.9999998149606417e-1f;
    minus_one = p * (r * r) + r;
  }
  V value() const { return (minus_one + 1.0f) * scale; }  // adding 1 loses no accuracy here; infinite where the scale is
};
static inline V exp_(V x) {
  V y = Power(bounded(x, -87.0f, 88.3f)).value();
  y = x > 88.3f ? all(INFINITY) : y;
  return x < -87.0f ? all(0.0f) : y;  // no subnormal results
}
static inline V sigmoid_(V x) { return 1.0f / (1.0f + Power(bounded(-x, -87.0f, 89.0f)).value()); }
// (e^2x - 1) / (e^2x + 1), from e^r - 1 and not from e^r, to avoid cancellation near 0.
static inline V tanh_(V x) {
  Power e(bounded(x + x, -20.0f, 20.0f));
  V y = e.minus_one * e.scale + (e.scale - 1.0f);
  return y / (y + 2.0f);
}
static inline V expm1_(V x) {
  Power e(bounded(x, -87.0f, 88.3f));
  V y = e.minus_one * e.scale + (e.scale - 1.0f);
  return x > 88.3f ? all(INFINITY) : y;
}
// log x = n log 2 + log(1 + r) with 1 + r in [√½, √2): the polynomial of Cephes (Moshier 1989).
static inline V log_(V x) {
  const VI tiny = x < 1.17549435e-38f;  // a subnormal number, 0 or a negative number
  V y = tiny ? x * 8388608.0f : x;
  VI bits;
  memcpy(&bits, &y, BYTES);
  VI n = (bits - 0x3f3504f3) >> 23;
  bits -= n << 23;
  V r;
  memcpy(&r, &bits, BYTES);
  r = r - 1.0f;
  V power = __builtin_convertvector(n, V) - (tiny ? all(23) : V{});
  V p = all(7.0376836292e-2f);
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  y = p * r * r * r - power * 2.12194440e-4f - 0.5f * r * r;
  y = r + y + power * 0.693359375f;
  y = x == 0 ? all(-INFINITY) : y;
  y = x < 0 ? all(NAN) : y;
  return (x == INFINITY) | (x != x) ? x : y;
}
// log(1 + x), corrected by the rounding error of 1 + x (Kahan).
static inline V log1p_(V x) {
  V u = x + 1.0f;
  V y = log_(u) * (x / (u - 1.0f));
  y = u == 1.0f ? x : y;
  return (x == INFINITY) | (u == 0.0f) ? log_(u) : y;
}
#endif
// Functions that are computed element by element.
#define EACH(name) static inline V name##_(V x) { for (int i = 0; i < VL; i++) x[i] = std::name(x[i]); return x; }
#define EACH2(name) static inline V name##_(V x, V y) { for (int i = 0; i < VL; i++) x[i] = std::name(x[i], y[i]); return x; }
EACH(exp2) EACH(log2) EACH(log10) EACH(sqrt) EACH(sin) EACH(cos) EACH(tan) EACH(asin) EACH(acos) EACH(atan) EACH(sinh) EACH(cosh)
EACH(asinh) EACH(acosh) EACH(atanh) EACH(erf) EACH(erfc) EACH(floor) EACH(ceil) EACH(trunc) EACH2(pow) EACH2(fmod) EACH2(atan2) EACH2(hypot)
static inline V round_(V x) { for (int i = 0; i < VL; i++) x[i] = std::nearbyint(x[i]); return x; }  // to even, as torch rounds
static inline V remainder_(V x, V y) {  // of the sign of y
  for (int i = 0; i < VL; i++) {
    real r = std::fmod(x[i], y[i]);
    x[i] = r != 0 && (r < 0) != (y[i] < 0) ? r + y[i] : r;
  }
  return x;
}
static inline V abs_(V x) { return x < 0 ? -x : x + 0; }
static inline V sign_(V x) { return x > 0 ? all(1) : x < 0 ? all(-1) : x * 0; }
static inline V maximum_(V x, V y) { return x > y ? x : y == y ? (x == x ? y : x) : y; }  // NaN if either is
static inline V minimum_(V x, V y) { return x < y ? x : y == y ? (x == x ? y : x) : y; }
static inline V relu_(V x) { return x > 0 ? x : (x == x ? all(0) : x); }
static inline V sigmoid_backward_(V g, V y) { return g * (((real)1 - y) * y); }
static inline V tanh_backward_(V g, V y) { return g * ((real)1 - y * y); }
static inline V threshold_backward_(V g, V x, real limit) { return x <= limit ? all(0) : g; }

// One left operand of a product and its right operand b, k rows: element (row, k) of the left is a[row * row_step + k * k_step].
struct Segment { const real* a; long row_step, k_step; int k; const real* b; };

// C[R, N vectors] (+)= bias + the sum over segments of left * right, all in registers: the pragmas unroll the loops.
template <int R, int N> static inline void block(
    const Segment* segments, int count, long row, int column, int ldb, const real* bias, bool add, real* c, long ldc) {
  V sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++)
      sum[r][n] = bias ? load(bias + column + n * VL) : V{};
  for (int s = 0; s < count; s++) {
    const Segment& g = segments[s];
    const real *a = g.a + row * g.row_step, *b = g.b + column;
    for (int k = 0; k < g.k; k++, b += ldb) {
      V right[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) right[n] = load(b + n * VL);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        V left = all(a[r * g.row_step + k * g.k_step]);
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) sum[r][n] += left * right[n];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) {
      real* to = c + (row + r) * ldc + column + n * VL;
      store(to, add ? load(to) + sum[r][n] : sum[r][n]);  // sums of sums: the rounding error grows with their depth, not their length
    }
}

template <int N> static void rows_(
    int rows, const Segment* segments, int count, int column, int ldb, const real* bias, bool add, real* c, long ldc) {
  int row = 0, sixes = rows / 6;
  while (sixes && (rows - 6 * sixes) % 4) sixes--;  // blocks of six and four rows if these suffice: single rows are slow
  if ((rows - 6 * sixes) % 4) sixes = rows / 6;
  for (; sixes; sixes--, row += 6) block<6, N>(segments, count, row, column, ldb, bias, add, c, ldc);
  for (; row + 4 <= rows; row += 4) block<4, N>(segments, count, row, column, ldb, bias, add, c, ldc);
  for (; row + 2 <= rows; row += 2) block<2, N>(segments, count, row, column, ldb, bias, add, c, ldc);
  for (; row < rows; row++) block<1, N>(segments, count, row, column, ldb, bias, add, c, ldc);
}

// C[rows, columns] (+)= bias + sum of left * right. `columns` is a multiple of VL. The order of additions does not depend on rows.
static void product(
    int rows, int columns, const Segment* segments, int count, int ldb, const real* bias, bool add, real* c, long ldc) {
  int column = 0;
#ifdef MANY_REGISTERS
  for (; column + 4 * VL <= columns; column += 4 * VL) rows_<4>(rows, segments, count, column, ldb, bias, add, c, ldc);
#endif
  for (; column + 2 * VL <= columns; column += 2 * VL) rows_<2>(rows, segments, count, column, ldb, bias, add, c, ldc);
  if (column < columns) rows_<1>(rows, segments, count, column, ldb, bias, add, c, ldc);
}

// Copy a matrix [rows, columns], or its transpose, into a block of a wider matrix.
static void place(const real* from, int rows, int columns, bool transposed, real* to, int ld) {
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < columns; j++) (transposed ? to[(long)j * ld + r] : to[(long)r * ld + j]) = from[(long)r * columns + j];
}

template <int N> static void copy_narrow(int rows, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++) memcpy(to + r * to_step, from + r * from_step, N * sizeof(real));
}

static void copy_rows(int rows, int columns, const real* from, long from_step, real* to, long to_step) {
  if (from_step == columns && to_step == columns) columns *= rows, rows = 1;
  switch (columns) {  // a memcpy of constant size is inlined, which is faster for narrow rows
    case 1: return copy_narrow<1>(rows, from, from_step, to, to_step);
    case 2: return copy_narrow<2>(rows, from, from_step, to, to_step);
    case 3: return copy_narrow<3>(rows, from, from_step, to, to_step);
    case 4: return copy_narrow<4>(rows, from, from_step, to, to_step);
    case 6: return copy_narrow<6>(rows, from, from_step, to, to_step);
    case 8: return copy_narrow<8>(rows, from, from_step, to, to_step);
  }
  for (int r = 0; r < rows; r++) memcpy(to + r * to_step, from + r * from_step, columns * sizeof(real));
}

static void zero(int rows, int columns, real* to, long step) {
  for (int r = 0; r < rows; r++) memset(to + r * step, 0, columns * sizeof(real));
}

// Row operators: a row is an array [outer, n, inner].
static void row_sum(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      if (inner == 1) {
        const real* p = from + o * n;
        V sums = {};
        int j = 0;
        for (; j + VL <= n; j += VL) sums += load(p + j);
        real sum = 0;
        for (int i = 0; i < VL; i++) sum += sums[i];
        for (; j < n; j++) sum += p[j];
        to[o] = sum;
      } else {
        for (int i = 0; i < inner; i++) to[o * inner + i] = 0;
        for (int j = 0; j < n; j++)
          for (int i = 0; i < inner; i++) to[o * inner + i] += from[(o * n + j) * inner + i];
      }
}

template <class Better> static void row_extremum(
    int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step, Better better) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      for (int i = 0; i < inner; i++) {
        real best = from[o * n * inner + i];
        for (int j = 1; j < n; j++) {
          real x = from[(o * n + j) * inner + i];
          if (better(x, best) || x != x) best = x;
        }
        to[o * inner + i] = best;
      }
}
static void row_amax(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  row_extremum(rows, outer, n, inner, from, from_step, to, to_step, [](real x, real best) { return x > best; });
}
static void row_amin(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  row_extremum(rows, outer, n, inner, from, from_step, to, to_step, [](real x, real best) { return x < best; });
}

static void row_cumsum(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      for (int j = 0; j < n; j++)
        for (int i = 0; i < inner; i++) {
          const int at = (o * n + j) * inner + i;
          to[at] = from[at] + (j ? to[at - inner] : 0);
        }
}

static void row_flip(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      for (int j = 0; j < n; j++)
        for (int i = 0; i < inner; i++) to[(o * n + j) * inner + i] = from[(o * n + n - 1 - j) * inner + i];
}

// From [outer, 1, inner] to [outer, n, inner].
static void row_repeat(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      for (int j = 0; j < n; j++)
        for (int i = 0; i < inner; i++) to[(o * n + j) * inner + i] = from[o * inner + i];
}

// From [outer, n, inner] to [outer, inner, n].
static void row_transpose(int rows, int outer, int n, int inner, const real* from, long from_step, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += from_step, to += to_step)
    for (int o = 0; o < outer; o++)
      for (int j = 0; j < n; j++)
        for (int i = 0; i < inner; i++) to[(o * inner + i) * n + j] = from[(o * n + j) * inner + i];
}

// Add rows to wider ones. The rows that are read next, `before` numbers earlier in memory, are prefetched: time runs backward.
static void add_into(int rows, int columns, const real* from, long before, real* to, long to_step) {
  for (int r = 0; r < rows; r++, from += columns, to += to_step) {
    int j = 0;
    for (; j + VL <= columns; j += VL) {
      __builtin_prefetch(from + j - before);
      store(to + j, load(to + j) + load(from + j));
    }
    for (; j < columns; j++) to[j] += from[j];
  }
}

template <int N> static inline void add_columns(int rows, const real* from, long step, real* to) {
  V sum[N] = {};
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) sum[n] += load(from + r * step + n * VL);
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) store(to + n * VL, load(to + n * VL) + sum[n]);
}

// Add the sum of the rows to `to`; columns side by side, as each sum waits for its last addition.
static void add_rows(int rows, int width, const real* from, long step, real* to) {
  int j = 0;
  for (; j + 4 * VL <= width; j += 4 * VL) add_columns<4>(rows, from + j, step, to + j);
  for (; j + 2 * VL <= width; j += 2 * VL) add_columns<2>(rows, from + j, step, to + j);
  if (j < width) add_columns<1>(rows, from + j, step, to + j);
}

static void zero_rows(const uint8_t* which, int rows, int width, real* to) {
  for (int r = 0; which && r < rows; r++)
    if (which[r]) memset(to + (long)r * width, 0, width * sizeof(real));
}

// A thread's scratch memory, an arena of blocks that only grow.
struct Memory {
  std::vector<std::vector<real>> blocks;
  size_t used = 0;
  void clear() { used = 0; }
  real* take(long count, bool zero = false) {
    if (used == blocks.size()) blocks.emplace_back();
    auto& block = blocks[used++];
    if ((long)block.size() < count + 2 * VL) block.resize(count + 2 * VL);  // for alignment, and because a vector load of a slice may read past its end
    auto at = reinterpret_cast<uintptr_t>(block.data());
    real* p = block.data() + ((BYTES - at % BYTES) % BYTES) / sizeof(real);
    if (zero) memset(p, 0, count * sizeof(real));
    return p;
  }
};

// Rows (of a tile, over several steps) per product Aᵀ G of the weights' gradients: enough to amortise reading and writing the
// sums, few enough for the operands to be in cache still.
constexpr int ROWS = 192;

// Run tasks 0 .. count-1 on threads, each on the next free one; the result of a task does not depend on its thread.
template <class Task> static void parallel(int count, int threads, Task task) {
  std::atomic<int> next{0};
  auto work = [&] { for (int i; (i = next++) < count;) task(i); };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min(threads, count); i++) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
}
