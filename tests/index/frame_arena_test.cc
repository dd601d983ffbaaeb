#include "persistence/frame_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "platform/memory.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

TEST(FrameArena, TakesNothingBeforeItIsUsed) {
  FrameArena arena;
  EXPECT_EQ(arena.bytes_mapped(), 0u);
  EXPECT_EQ(arena.bytes_in_use(), 0u);
}

TEST(FrameArena, BeginsSmall) {
  FrameArena arena;
  void* frame = arena.allocate(64);
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(arena.bytes_mapped(), std::size_t{64} << 10);
  EXPECT_EQ(arena.bytes_in_use(), 64u);
  arena.release(frame, 64);
  EXPECT_EQ(arena.bytes_in_use(), 0u);
}

TEST(FrameArena, GivesReleasedMemoryOutAgain) {
  FrameArena arena;
  void* first = arena.allocate(4096);
  arena.release(first, 4096);
  EXPECT_EQ(arena.allocate(4096), first);
  for (int round = 0; round < 100'000; ++round) {
    void* frame = arena.allocate(1024);
    ASSERT_NE(frame, nullptr);
    arena.release(frame, 1024);
  }
  EXPECT_EQ(arena.bytes_mapped(), std::size_t{64} << 10);
}

TEST(FrameArena, TakesTheEndOfAFrameBack) {
  FrameArena arena;
  auto* frame = static_cast<std::byte*>(arena.allocate(4096));
  void* behind = arena.allocate(64);
  std::memset(frame, 0x5a, 4096);
  arena.shrink(frame, 4096, 4033);  // the last line is still needed
  EXPECT_EQ(arena.bytes_in_use(), 4096u + 64);
  arena.shrink(frame, 4096, 3000);
  EXPECT_EQ(arena.bytes_in_use(), 3008u + 64);
  EXPECT_TRUE(std::all_of(frame, frame + 3000, [](std::byte b) { return b == std::byte{0x5a}; }));
  void* end = arena.allocate(4096 - 3008);
  EXPECT_EQ(end, frame + 3008);
  arena.release(end, 4096 - 3008);
  arena.release(frame, 3000);
  arena.release(behind, 64);
  EXPECT_EQ(arena.allocate(4096 + 64), frame);
}

TEST(FrameArena, KeepsItsLimitAndAllocatesAfterReserve) {
  FrameArena arena(std::size_t{1} << 20);
  EXPECT_FALSE(arena.reserve(std::size_t{2} << 20));
  EXPECT_FALSE(arena.reserve(std::numeric_limits<std::size_t>::max() - 64));
  ASSERT_TRUE(arena.reserve(100'032));
  const std::size_t mapped = arena.bytes_mapped();
  for (std::size_t left = 100'032; left != 0; left -= 64) {
     ASSERT_NE(arena.allocate(64), nullptr);
  }
  EXPECT_EQ(arena.bytes_mapped(), mapped);
  std::size_t count = 0;
  while (arena.allocate(8192) != nullptr) ++count;
  EXPECT_GT(count, 0u);
  EXPECT_LE(arena.bytes_mapped(), std::size_t{1} << 20);
  EXPECT_FALSE(arena.reserve(8192));
}

TEST(FrameArena, KeepsPromisesBeyondAChunk) {
  FrameArena arena;
  ASSERT_TRUE(arena.reserve(std::size_t{10} << 20));
  const std::size_t mapped = arena.bytes_mapped();
  ASSERT_TRUE(arena.reserve(std::size_t{10} << 20));
  EXPECT_EQ(arena.bytes_mapped(), mapped);
  for (std::size_t left = std::size_t{10} << 20; left >= 720'000; left -= 720'000) {
    ASSERT_NE(arena.allocate(719'936), nullptr);
  }
  EXPECT_EQ(arena.bytes_mapped(), mapped);
}

TEST(FrameArena, ReservesFromWhatWasMappedAhead) {
  constexpr std::size_t kBytes = std::size_t{10} << 20;
  FrameArena plain;
  ASSERT_TRUE(plain.reserve(kBytes, 4352));
  FrameArena arena;
  const std::span<std::byte> ahead = arena.map_ahead(kBytes, 4352);
  EXPECT_LE(ahead.size(), plain.bytes_mapped());
  EXPECT_GT(ahead.size() + (std::size_t{2} << 20), plain.bytes_mapped());
  EXPECT_EQ(arena.bytes_mapped(), ahead.size());
  EXPECT_TRUE(arena.map_ahead(kBytes, 4352).empty());
  platform::make_present(ahead);
  ASSERT_TRUE(arena.reserve(kBytes, 4352));
  EXPECT_EQ(arena.bytes_mapped(), plain.bytes_mapped());
  std::size_t from_ahead = 0;
  for (std::size_t left = kBytes; left >= 4352; left -= 4352) {
    auto* frame = static_cast<std::byte*>(arena.allocate(4352));
    ASSERT_NE(frame, nullptr);
    std::memset(frame, 1, 4352);
    if (frame >= ahead.data() && frame < ahead.data() + ahead.size()) from_ahead += 4352;
  }
  EXPECT_GT(from_ahead, ahead.size() * 9 / 10);
  EXPECT_EQ(arena.bytes_mapped(), plain.bytes_mapped());
}

TEST(FrameArena, MapsNothingAheadThatItWouldNotTake) {
  FrameArena limited(std::size_t{3} << 20);
  EXPECT_TRUE(limited.map_ahead(std::size_t{10} << 20, 4352).empty());
  FrameArena arena;
  EXPECT_TRUE(arena.map_ahead(100'000, 4352).empty());
  // What was mapped and never taken goes back with the arena.
  EXPECT_FALSE(arena.map_ahead(std::size_t{4} << 20, 4352).empty());
}

TEST(FrameArena, TakesLittleMoreForSmallFramesThanTheyNeed) {
  constexpr std::size_t kBytes = std::size_t{40} << 20;
  for (const std::size_t size : {64, 320, 1088, 4032, 5120, 12'352}) {
    SCOPED_TRACE(size);
    FrameArena arena;
    ASSERT_TRUE(arena.reserve(kBytes, size));
    const std::size_t mapped = arena.bytes_mapped();
    EXPECT_LE(mapped, kBytes + kBytes / 20 + (std::size_t{1} << 20));
    for (std::size_t left = kBytes; left >= size; left -= size) {
      ASSERT_NE(arena.allocate(size), nullptr);
    }
    EXPECT_EQ(arena.bytes_mapped(), mapped);
  }
}

TEST(FrameArena, JoinsAndCutsWhatIsFree) {
  FrameArena arena;
  std::vector<void*> frames;
  for (int i = 0; i < 10'000; ++i) frames.push_back(arena.allocate(640));
  const std::size_t mapped = arena.bytes_mapped();
  std::shuffle(frames.begin(), frames.end(), std::mt19937(5));
  for (void* frame : frames) arena.release(frame, 640);
  frames.clear();
  for (int i = 0; i < 700; ++i) frames.push_back(arena.allocate(8192));
  for (void* frame : frames) arena.release(frame, 8192);
  for (int i = 0; i < 7; ++i) ASSERT_NE(arena.allocate(std::size_t{1} << 19), nullptr);
  EXPECT_EQ(arena.bytes_mapped(), mapped);
}

TEST(FrameArena, KeepsAllocationsApartThroughRandomUse) {
  std::mt19937_64 random(test::test_seed("frame arena"));
  FrameArena arena;
  struct Frame {
    unsigned char* memory;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Frame> live;
  std::size_t in_use = 0;
  for (int step = 0; step < 20'000; ++step) {
    const bool shrink = step / 4000 % 2 == 1;
    if (live.empty() || random() % 8 < (shrink ? 2u : 5u)) {
      const std::size_t bytes = random() % 50 == 0 ? 1 + random() % kMaxFrameBytes / 4
                                                   : 64 * (1 + random() % 100);
      const std::byte* const next = arena.place_of_next(bytes);
      const std::size_t mapped = arena.bytes_mapped();
      auto* memory = static_cast<unsigned char*>(arena.allocate(bytes));
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % kFrameAlignment, 0u);
      if (arena.bytes_mapped() == mapped) {
        ASSERT_EQ(static_cast<void*>(memory), next);
      }
      const auto mark = static_cast<unsigned char>(random());
      std::memset(memory, mark, bytes);
      live.push_back({memory, bytes, mark});
      in_use += (bytes + 63) / 64 * 64;
    } else {
      std::swap(live[random() % live.size()], live.back());
      const Frame frame = live.back();
      live.pop_back();
      for (std::size_t i = 0; i < frame.bytes; ++i) ASSERT_EQ(frame.memory[i], frame.mark);
      arena.release(frame.memory, frame.bytes);
      in_use -= (frame.bytes + 63) / 64 * 64;
    }
    ASSERT_EQ(arena.bytes_in_use(), in_use);
  }
}

#if defined(__SANITIZE_ADDRESS__)
TEST(FrameArenaDeathTest, ShowsUseAfterRelease) {
  FrameArena arena;
  auto* frame = static_cast<volatile unsigned char*>(arena.allocate(256));
  arena.release(const_cast<unsigned char*>(frame), 256);
  EXPECT_DEATH(frame[100] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace xtree::persistence
