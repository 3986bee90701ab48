// The entry points `needs`, `forward` and `backward`. A task is a (member, tile): its rows over the whole sequence.
static long aligned(long count) { return (count + VL - 1) / VL * VL; }

// The sizes, in numbers, of the sequences (written by forward and, with `save`, read by backward) and of the workspaces of forward
// and backward.
extern "C" void needs(int K, int T, int B, const int* n, const double* numbers, int tile, int save, int has_reset, long* sequences, long* forward_work, long* backward_work) {
  const Shape z{K, T, B, tile, save, n, numbers, has_reset ? (const uint8_t*)n : nullptr};
  *sequences = aligned(Sequences(z, nullptr).size) * K * z.tiles() + VL;  // a vector load of a slice may read past its end
  *forward_work = aligned(ForwardWeights(z, nullptr, 0, nullptr, false).size) * K;
  *backward_work = aligned(BackwardWeights(z, nullptr, 0, nullptr, false).size) * K + aligned(Sums(z, nullptr).size) * K * z.tiles();
}

extern "C" void forward(int K, int T, int B, const int* n, const double* numbers, int tile, int save, const uint8_t* reset, int threads,
    const real* x, const real* const* w, const real* const* s0, real* output, real* const* sT, real* sequences, real* work) {
  const Shape z{K, T, B, tile, save, n, numbers, reset};
  const int tiles = z.tiles();
  const long floats = aligned(Sequences(z, nullptr).size), packed = aligned(ForwardWeights(z, w, 0, nullptr, false).size);
  parallel(K, threads, [&](int k) { ForwardWeights(z, w, k, work + k * packed, true); });
  parallel(K * tiles, threads, [&](int i) {
    const int k = i / tiles, b0 = i % tiles * tile;
    forward_tile(z, ForwardWeights(z, w, k, work + k * packed, false), Sequences(z, sequences + i * floats), k, b0,
                 std::min(tile, B - b0), x, s0, output, sT);
  });
}

extern "C" void backward(int K, int T, int B, const int* n, const double* numbers, int tile, const uint8_t* reset, int threads,
    const real* const* w, const real* doutput, real* const* dw, real* dx, real* const* ds0, real* sequences, real* work) {
  const Shape z{K, T, B, tile, 1, n, numbers, reset};
  const int tiles = z.tiles();
  const long floats = aligned(Sequences(z, nullptr).size), packed = aligned(BackwardWeights(z, w, 0, nullptr, false).size);
  const long summed = aligned(Sums(z, nullptr).size);
  real* sums = work + K * packed;
  parallel(K, threads, [&](int k) { BackwardWeights(z, w, k, work + k * packed, true); });
  parallel(K * tiles, threads, [&](int i) {
    const int k = i / tiles, b0 = i % tiles * tile;
    memset(sums + i * summed, 0, summed * sizeof(real));
    (dx ? backward_tile_x : backward_tile)(z, BackwardWeights(z, w, k, work + k * packed, false), Sequences(z, sequences + i * floats),
        Sums(z, sums + i * summed), k, b0, std::min(tile, B - b0), doutput, dx, ds0);
  });
  // Tiles are added in order, so that the result does not depend on the number of threads.
  parallel(K, threads, [&](int k) {
    for (int i = 0; i < tiles; i++) Sums::add(z, Sums(z, sums + (k * tiles + i) * summed), k, dw);
  });
}
