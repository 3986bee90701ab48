// The readout y = x V + b and its backward pass. Tasks are (member, tile), as in the recurrence; x is not copied to a padded buffer
// unless its width requires it.

extern "C" void forward(int K, int rows, int inputs, int outputs, int tile, int threads,
    const real* x, const real* V_, const real* b, real* y) {
  const int tiles = (rows + tile - 1) / tile, P = pad(outputs);
  parallel(K * tiles, threads, [&](int i) {
    const int k = i / tiles, first = i % tiles * tile, R = std::min(tile, rows - first);
    thread_local Memory memory;
    memory.clear();
    real *weight = memory.take((long)inputs * P, true), *bias = memory.take(P, true), *out = memory.take((long)R * P);
    place(V_ + (long)k * inputs * outputs, inputs, outputs, false, weight, P);
    copy_rows(1, outputs, b + (long)k * outputs, outputs, bias, P);
    const Segment s[] = {{x + ((long)k * rows + first) * inputs, inputs, 1, inputs, weight}};
    product(R, P, s, 1, P, bias, false, out, P);
    copy_rows(R, outputs, out, P, y + ((long)k * rows + first) * outputs, outputs);
  });
}

// The size of backward's workspace, in numbers.
extern "C" long needs(int K, int rows, int inputs, int outputs, int tile) {
  return (long)K * ((rows + tile - 1) / tile) * (outputs + 1) * pad(std::max(inputs, outputs));
}

extern "C" void backward(int K, int rows, int inputs, int outputs, int tile, int threads, const real* x, const real* V_,
    const real* dy, real* dx, real* dV, real* db, real* work) {
  const int tiles = (rows + tile - 1) / tile, P = pad(inputs), Q = pad(outputs), width = std::max(P, Q);
  const long each = (long)(outputs + 1) * width;  // per tile: dV transposed, then db
  parallel(K * tiles, threads, [&](int i) {
    const int k = i / tiles, first = i % tiles * tile, R = std::min(tile, rows - first);
    thread_local Memory memory;
    memory.clear();
    const long row = (long)k * rows + first;
    const real* above = dy + row * outputs;
    real *aside = memory.take((long)outputs * P, true), *out = memory.take((long)R * P), *in = memory.take((long)R * P, P != inputs);
    real* sum = work + i * each;
    place(V_ + (long)k * inputs * outputs, inputs, outputs, true, aside, P);
    const Segment to_x[] = {{above, outputs, 1, outputs, aside}};
    if (P == inputs) {
      product(R, P, to_x, 1, P, nullptr, false, dx + row * inputs, P);
    } else {
      product(R, P, to_x, 1, P, nullptr, false, out, P);
      copy_rows(R, inputs, out, P, dx + row * inputs, inputs);
      copy_rows(R, inputs, x + row * inputs, inputs, in, P);
    }
    const Segment to_weight[] = {{above, 1, outputs, R, P == inputs ? x + row * inputs : in}};
    product(outputs, P, to_weight, 1, P, nullptr, false, sum, width);
    real* sum_b = sum + (long)outputs * width;
    memset(sum_b, 0, outputs * sizeof(real));
    for (int r = 0; r < R; r++)
      for (int j = 0; j < outputs; j++) sum_b[j] += above[(long)r * outputs + j];
  });
  // Tiles are added in order, so that the result does not depend on the threads.
  parallel(K, threads, [&](int k) {
    for (int i = 0; i < tiles; i++) {
      const real* sum = work + ((long)k * tiles + i) * each;
      for (int j = 0; j < outputs; j++) {
        db[(long)k * outputs + j] += sum[(long)outputs * width + j];
        for (int r = 0; r < inputs; r++) dV[((long)k * inputs + r) * outputs + j] += sum[(long)j * width + r];
      }
    }
  });
}
