#include "platform/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace xtree::platform {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& value : bytes) value = static_cast<std::byte>(random());
  return bytes;
}

// RFC 3720, B.4, and the check value of the polynomial.
TEST(Crc32c, KnownVectorsComeOutRight) {
  std::vector<std::byte> ascending(32);
  for (std::size_t i = 0; i < 32; ++i) ascending[i] = static_cast<std::byte>(i);
  const std::vector<std::byte> zeros(32);
  const std::vector<std::byte> ones(32, std::byte{0xFF});
  for (const auto& sum : {&crc32c, &crc32c_portable}) {
    EXPECT_EQ(sum({}, 0), 0u);
    EXPECT_EQ(sum(bytes_of("123456789"), 0), 0xE3069283u);
    EXPECT_EQ(sum(bytes_of("a"), 0), 0xC1D04330u);
    EXPECT_EQ(sum(zeros, 0), 0x8A9136AAu);
    EXPECT_EQ(sum(ones, 0), 0x62A8AB43u);
    EXPECT_EQ(sum(ascending, 0), 0x46DD794Eu);
  }
}

TEST(Crc32c, BothKindsAgreeOnEveryLengthAndAlignment) {
  const auto bytes = random_bytes(3200, 1);
  for (std::size_t length = 0; length <= 3100; ++length) {
    const auto part = std::span(bytes).subspan(length % 9, length);
    ASSERT_EQ(crc32c(part), crc32c_portable(part)) << "length " << length;
  }
}

TEST(Crc32c, SeedContinuesAnEarlierSum) {
  const auto bytes = random_bytes(5000, 2);
  const std::span<const std::byte> all(bytes);
  for (std::size_t cut = 0; cut <= all.size(); cut += 13) {
    ASSERT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all)) << "cut " << cut;
    ASSERT_EQ(crc32c_portable(all.subspan(cut), crc32c(all.first(cut))), crc32c(all));
  }
}

TEST(Crc32c, EveryChangedBitChangesTheSum) {
  auto bytes = random_bytes(1100, 3);
  const std::uint32_t sum = crc32c(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    ASSERT_NE(crc32c(bytes), sum) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
  }
}

}  // namespace
}  // namespace xtree::platform
