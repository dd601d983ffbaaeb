#include "persistence/segment_allocator.h"

#include <gtest/gtest.h>

#include <map>

#include "support/random.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kMaxImage = kMaxFrameBytes;

TEST(SegmentAllocator, RefusesSegmentsThatCannotBe) {
  SegmentAllocator allocator;
  EXPECT_FALSE(allocator.add({0, 4096}));
  EXPECT_FALSE(allocator.add({1, 0}));
  EXPECT_FALSE(allocator.add({1, 64}));
  EXPECT_FALSE(allocator.add({1, kMaxSegmentBytes + kSectorBytes}));
  EXPECT_EQ(allocator.segment_bytes(), 0u);
  EXPECT_TRUE(allocator.add({1, kMaxSegmentBytes}));
  EXPECT_FALSE(allocator.add({1, 4096}));
  EXPECT_EQ(allocator.segment_bytes(), kMaxSegmentBytes);
}

TEST(SegmentAllocator, TakesAnImageOnlyWhereOneCanBe) {
  SegmentAllocator allocator;
  ASSERT_TRUE(allocator.add({3, 8192}));
  EXPECT_TRUE(allocator.take({3, 1}, 128));
  EXPECT_TRUE(allocator.take({3, 64}, 4096));
  EXPECT_FALSE(allocator.take({3, 65}, 4096));
  EXPECT_FALSE(allocator.take({4, 0}, 64));
  // More than there is room for.
  EXPECT_TRUE(allocator.take({3, 0}, 3904));
  EXPECT_FALSE(allocator.take({3, 0}, 128));
  EXPECT_EQ(allocator.live_bytes(), 8128u);
}

TEST(SegmentAllocator, PutsImagesBehindEachOther) {
  SegmentAllocator allocator;
  EXPECT_EQ(allocator.allocate(64, Heat::fresh).value(), (DiskAddress{1, 0}));
  EXPECT_EQ(allocator.allocate(2816, Heat::fresh).value(), (DiskAddress{1, 1}));
  EXPECT_EQ(allocator.allocate(64, Heat::fresh).value(), (DiskAddress{1, 45}));
  EXPECT_EQ(allocator.segment_bytes(), 2944u);
  EXPECT_EQ(allocator.live_bytes(), 2944u);
  // What another checkpoint adds begins a sector.
  allocator.pad(1);
  allocator.commit();
  EXPECT_EQ(allocator.segments(), (std::vector<SegmentInfo>{{1, 4096}}));
  EXPECT_EQ(allocator.allocate(64, Heat::fresh).value(), (DiskAddress{1, 64}));
}

TEST(SegmentAllocator, KeepsFreshImagesApartFromSettledOnes) {
  SegmentAllocator allocator;
  for (unsigned i = 0; i < 10; ++i) {
    EXPECT_EQ(allocator.allocate(64, Heat::fresh)->segment, 1u);
    EXPECT_EQ(allocator.allocate(64, Heat::settled)->segment, 2u);
  }
}

TEST(SegmentAllocator, BeginsASegmentWhenTheOthersAreFullOrClosed) {
  SegmentAllocator allocator;
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(allocator.allocate(kMinFullSegmentBytes / 4, Heat::fresh)->segment, 1u);
  }
  EXPECT_EQ(allocator.allocate(64, Heat::fresh)->segment, 2u);
  allocator.close(2);
  EXPECT_EQ(allocator.allocate(64, Heat::fresh)->segment, 3u);
  for (const std::uint32_t number : {1, 2, 3}) allocator.pad(number);
  allocator.commit();
  EXPECT_EQ(allocator.allocate(64, Heat::fresh)->segment, 3u);
  EXPECT_EQ(allocator.allocate(64, Heat::settled)->segment, 2u);
}

TEST(SegmentAllocator, MakesSegmentsLargerWithTheDatabase) {
  SegmentAllocator allocator;
  const std::uint64_t bytes = std::uint64_t{4} << 30;
  for (std::uint64_t i = 0; i < bytes / kMaxImage; ++i) {
    ASSERT_TRUE(allocator.allocate(kMaxImage, Heat::fresh));
  }
  const auto segments = allocator.segments();
  EXPECT_LT(segments.size(), 150u);
  EXPECT_EQ(segments.front().bytes, kMinFullSegmentBytes);
  for (const SegmentInfo& info : segments) EXPECT_LE(info.bytes, kMaxSegmentBytes);
  EXPECT_GE(segments[segments.size() - 2].bytes, kMaxSegmentBytes - kMaxImage);
}

TEST(SegmentAllocator, LetsASegmentGoWhenNothingInItIsNeeded) {
  SegmentAllocator allocator;
  const DiskAddress one = allocator.allocate(64, Heat::fresh).value();
  const DiskAddress other = allocator.allocate(128, Heat::settled).value();
  allocator.commit();
  allocator.release(one, 64);
  EXPECT_EQ(allocator.segments().size(), 1u);
  EXPECT_EQ(allocator.uses().size(), 2u);
  // It gets no image any more, and its number does not come back.
  EXPECT_EQ(allocator.allocate(64, Heat::fresh)->segment, 3u);
  allocator.commit();
  EXPECT_EQ(allocator.uses().size(), 2u);
  EXPECT_EQ(allocator.uses()[0].number, other.segment);
  EXPECT_EQ(allocator.live_bytes(), 192u);
  EXPECT_EQ(allocator.next_segment(), 4u);
}

TEST(SegmentAllocator, ForgetsWhatWasAbandoned) {
  SegmentAllocator allocator;
  const DiskAddress first = allocator.allocate(64, Heat::fresh).value();
  allocator.pad(first.segment);
  allocator.commit();
  const DiskAddress second = allocator.allocate(64, Heat::fresh).value();
  allocator.release(first, 64);
  allocator.close(first.segment);
  EXPECT_EQ(allocator.allocate(64, Heat::settled)->segment, 2u);
  EXPECT_EQ(allocator.abandon(), std::vector<std::uint32_t>{2});
  EXPECT_EQ(allocator.segments(), (std::vector<SegmentInfo>{{1, 4096}}));
  EXPECT_EQ(allocator.live_bytes(), 64u);
  EXPECT_EQ(allocator.allocate(64, Heat::fresh).value(), second);
}

TEST(SegmentAllocator, HasNoMoreNumbersAtTheEnd) {
  SegmentAllocator allocator;
  allocator.set_next_segment(0xFFFFFFFEu);
  EXPECT_TRUE(allocator.allocate(64, Heat::fresh).has_value());
  EXPECT_FALSE(allocator.allocate(64, Heat::settled).has_value());
  EXPECT_TRUE(allocator.allocate(64, Heat::fresh).has_value());
}

// What one checkpoint has must survive the next one, whatever that does.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {}

  void run() {
    for (int checkpoint = 0; checkpoint < 60; ++checkpoint) {
      take_checkpoint();
      if (testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  using Images = std::map<std::pair<std::uint32_t, std::uint64_t>, std::size_t>;

  void take_checkpoint() {
    Images next = images_;
    Images written;
    for (std::uint64_t n = random_.below(200); n != 0; --n) {
      if (!next.empty() && random_.one_in(2)) {
        const auto victim = std::next(next.begin(), static_cast<std::ptrdiff_t>(
                                                        random_.below(next.size())));
        allocator_.release(address(victim->first), victim->second);
        next.erase(victim);
        continue;
      }
      const std::size_t bytes = 64 * random_.between(1, random_.one_in(20) ? 16384 : 60);
      const DiskAddress address =
          allocator_.allocate(bytes, random_.one_in(3) ? Heat::settled : Heat::fresh).value();
      next[{address.segment, address.offset()}] = bytes;
      written[{address.segment, address.offset()}] = bytes;
    }
    check_sectors(written);
    if (testing::Test::HasFatalFailure()) return;
    for (const SegmentUse& use : allocator_.uses()) allocator_.pad(use.number);
    if (random_.one_in(5)) {
      allocator_.abandon();
    } else {
      allocator_.commit();
      images_ = std::move(next);
    }
    if (random_.one_in(4)) rebuild();
    std::uint64_t live = 0;
    for (const auto& [place, bytes] : images_) live += bytes;
    ASSERT_EQ(allocator_.live_bytes(), live);
    ASSERT_LE(live, allocator_.segment_bytes());
  }

  // No two images overlap, and none shares a sector with one of an earlier checkpoint.
  void check_sectors(const Images& written) const {
    std::map<std::pair<std::uint32_t, std::uint64_t>, bool> sectors;
    for (const auto& [place, bytes] : images_) {
      for (std::uint64_t s = place.second / 4096; s * 4096 < place.second + bytes; ++s) {
        sectors[{place.first, s}] = true;
      }
    }
    std::pair<std::uint32_t, std::uint64_t> end;
    for (const auto& [place, bytes] : written) {
      ASSERT_GE(place, end);
      end = {place.first, place.second + bytes};
      for (std::uint64_t s = place.second / 4096; s * 4096 < end.second; ++s) {
        ASSERT_FALSE(sectors.contains({place.first, s}));
      }
    }
  }

  void rebuild() {
    SegmentAllocator rebuilt;
    rebuilt.set_next_segment(allocator_.next_segment());
    for (const SegmentInfo& info : allocator_.segments()) ASSERT_TRUE(rebuilt.add(info));
    for (const auto& [place, bytes] : images_) ASSERT_TRUE(rebuilt.take(address(place), bytes));
    rebuilt.commit();
    ASSERT_EQ(rebuilt.segment_bytes(), allocator_.segment_bytes());
    ASSERT_EQ(rebuilt.segments(), allocator_.segments());
    allocator_ = std::move(rebuilt);
  }

  static DiskAddress address(std::pair<std::uint32_t, std::uint64_t> place) {
    return {place.first, static_cast<std::uint32_t>(place.second / kImageAlignment)};
  }

  test::Random random_;
  SegmentAllocator allocator_;
  Images images_;
};

TEST(SegmentAllocator, TouchesNoSectorOfAnEarlierCheckpointAndCanBeRebuilt) {
  const std::uint64_t seed = test::test_seed("SegmentAllocator");
  for (std::uint64_t run = 0; run < (test::kSanitized ? 5 : 20); ++run) {
    SCOPED_TRACE(seed + run);
    Model(seed + run).run();
    ASSERT_FALSE(testing::Test::HasFatalFailure());
  }
}

}  // namespace
}  // namespace xtree::persistence
