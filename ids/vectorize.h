#pragma once

// Compiles a function for AVX-512, AVX2 and the baseline, and picks at load time. Lanes and their
// order are written out in such functions, so results differ between CPU types by FMA rounding
// only. Off under sanitizers (their runtime is not up yet when the choice is made).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TUTTI_VECTORIZED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TUTTI_VECTORIZED
#endif
