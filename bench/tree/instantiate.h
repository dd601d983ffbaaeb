// The geometries that the benchmarks run over, for explicit instantiation.
#pragma once

#include "tree/engine.h"

#define XTREE_BENCH_POINTS(make)                               \
  template EnginePtr<xtree::Point<2>> make<xtree::Point<2>>(); \
  template EnginePtr<xtree::Point<3>> make<xtree::Point<3>>(); \
  template EnginePtr<xtree::Point<8>> make<xtree::Point<8>>(); \
  template EnginePtr<xtree::Point<16>> make<xtree::Point<16>>();

#define XTREE_BENCH_BOXES(make)                            \
  template EnginePtr<xtree::Box<2>> make<xtree::Box<2>>(); \
  template EnginePtr<xtree::Box<3>> make<xtree::Box<3>>(); \
  template EnginePtr<xtree::Box<8>> make<xtree::Box<8>>(); \
  template EnginePtr<xtree::Box<16>> make<xtree::Box<16>>();
