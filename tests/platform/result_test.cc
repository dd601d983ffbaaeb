#include "xtree/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

namespace xtree {
namespace {

TEST(Error, MessageIsPlaceThenText) {
  const Error error(ErrorCode::corruption, "db/wal/1.log:4096", "a synced group is damaged");
  EXPECT_EQ(error.code(), ErrorCode::corruption);
  EXPECT_EQ(error.system_error(), 0);
  EXPECT_STREQ(error.place(), "db/wal/1.log:4096");
  EXPECT_STREQ(error.message(), "db/wal/1.log:4096: a synced group is damaged");
}

TEST(Error, MessageEndsWithTheSystemsWords) {
  const Error error(ErrorCode::no_space, ENOSPC, "db/x", "cannot write");
  EXPECT_EQ(error.system_error(), ENOSPC);
  EXPECT_STREQ(error.message(), "db/x: cannot write: No space left on device");
}

TEST(Error, LongPlaceKeepsItsEnd) {
  const std::string place = "/" + std::string(300, 'd') + "/wal/0000000000000001.log:8192";
  const Error error(ErrorCode::io_error, EIO, place.c_str(), "cannot read");
  const std::string kept = error.place();
  EXPECT_EQ(kept.size(), 103u);
  EXPECT_TRUE(kept.starts_with("...ddd"));
  EXPECT_TRUE(kept.ends_with("ddd/wal/0000000000000001.log:8192"));
  EXPECT_EQ(error.message(), kept + ": cannot read: Input/output error");
}

TEST(Error, LongTextIsCutAtTheEndOfTheBuffer) {
  const Error error(ErrorCode::io_error, EIO, "here", std::string(1000, 'x').c_str());
  EXPECT_EQ(std::string(error.message()), "here: " + std::string(265, 'x'));
}

TEST(Error, CharactersOfSeveralBytesAreNotCutInTwo) {
  for (std::size_t shift = 0; shift < 3; ++shift) {
    std::string text(shift, 'x');
    for (int i = 0; i < 200; ++i) text += "\u20AC";
    for (const std::string& cut :
         {std::string(Error(ErrorCode::io_error, "here", text.c_str()).message()).substr(6 + shift),
          std::string(Error(ErrorCode::io_error, text.c_str(), "").place()).substr(3)}) {
      EXPECT_EQ(cut.size() % 3, 0u);
      for (std::size_t i = 0; i < cut.size(); i += 3) EXPECT_EQ(cut.substr(i, 3), "\u20AC");
    }
  }
}

TEST(Error, CodesHaveTheirNames) {
  EXPECT_STREQ(to_string(ErrorCode::corruption), "corruption");
  EXPECT_STREQ(to_string(ErrorCode::limit_exceeded), "limit_exceeded");
  EXPECT_STREQ(to_string(static_cast<ErrorCode>(200)), "unknown");
}

TEST(Result, MovesItsValue) {
  Result<std::unique_ptr<int>> first(std::make_unique<int>(5));
  Result<std::unique_ptr<int>> second(std::move(first));
  ASSERT_TRUE(second);
  EXPECT_EQ(**second, 5);
  second = Error(ErrorCode::closed, "here", "gone");
  EXPECT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::closed);
  EXPECT_EQ(std::move(second).value_or(nullptr), nullptr);
}

TEST(ResultDeathTest, ValueOfAnErrorAbortsWithItsMessage) {
  Result<int> failed = Error(ErrorCode::closed, "here", "gone");
  EXPECT_DEATH(static_cast<void>(failed.value()), "xtree: .*here: gone");
  const Result<void> nothing = Error(ErrorCode::closed, "here", "gone");
  EXPECT_DEATH(nothing.value(), "xtree: .*here: gone");
}

}  // namespace
}  // namespace xtree
