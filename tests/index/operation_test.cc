#include "index/operation.h"

#include <gtest/gtest.h>

#include <array>

namespace xtree::index {
namespace {

constexpr std::array<std::byte, 40> kPayload = {};

void append(std::vector<std::byte>& bytes, OperationKind kind, std::uint32_t index,
            std::size_t size = kPayload.size()) {
  append_operation(bytes, kind, index, {}, std::span(kPayload).first(size));
}

TEST(OperationReader, ReadsWhatWasWritten) {
  std::vector<std::byte> bytes;
  const std::array<std::byte, 3> first = {std::byte{1}, std::byte{2}, std::byte{3}};
  const std::array<std::byte, 8> second = {std::byte{4}};
  append_operation(bytes, OperationKind::put, 0, "offset", first, second);
  append(bytes, OperationKind::clear, 70'000, 0);
  OperationReader reader(bytes);
  Operation operation;
  ASSERT_TRUE(reader.next(operation).value());
  EXPECT_EQ(operation.kind, OperationKind::put);
  EXPECT_EQ(operation.name, "offset");
  ASSERT_EQ(operation.payload.size(), 11u);
  EXPECT_EQ(operation.payload[2], std::byte{3});
  EXPECT_EQ(operation.payload[3], std::byte{4});
  ASSERT_TRUE(reader.next(operation).value());
  EXPECT_EQ(operation.kind, OperationKind::clear);
  EXPECT_EQ(operation.index, 70'000u);
  EXPECT_FALSE(reader.next(operation).value());
}

TEST(OperationReader, TakesAlikeWhatHasTheSameHeader) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 5; ++i) append(bytes, OperationKind::insert, 1);
  append(bytes, OperationKind::insert, 2);
  append(bytes, OperationKind::erase, 2);
  append(bytes, OperationKind::erase, 2, 32);
  append(bytes, OperationKind::erase, 2, 32);
  OperationReader reader(bytes);
  Operation operation;
  const auto after_next = [&](std::size_t most) {
    EXPECT_TRUE(reader.next(operation).value());
    return reader.take_alike(operation, most);
  };
  EXPECT_EQ(after_next(1), 1u);
  EXPECT_EQ(after_next(100), 2u);
  EXPECT_EQ(after_next(100), 0u);
  EXPECT_EQ(operation.index, 2u);
  EXPECT_EQ(after_next(100), 0u);
  EXPECT_EQ(operation.kind, OperationKind::erase);
  EXPECT_EQ(after_next(100), 1u);
  EXPECT_FALSE(reader.next(operation).value());
}

TEST(OperationReader, TakesNothingThatIsCutShort) {
  std::vector<std::byte> bytes;
  append(bytes, OperationKind::insert, 1);
  append(bytes, OperationKind::insert, 1);
  bytes.pop_back();
  OperationReader reader(bytes);
  Operation operation;
  ASSERT_TRUE(reader.next(operation).value());
  EXPECT_EQ(reader.take_alike(operation, 10), 0u);
  EXPECT_EQ(reader.next(operation).error().code(), ErrorCode::corruption);
}

}  // namespace
}  // namespace xtree::index
