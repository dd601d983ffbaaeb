// Error: texts of fixed size, put together without allocating.
#include "xtree/result.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace xtree {
namespace {

// True for the second and later bytes of a character in UTF-8.
bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// A text of limited size that drops what does not fit, whole characters at a time.
class FixedText {
 public:
  FixedText(char* buffer, std::size_t capacity) noexcept : buffer_(buffer), room_(capacity - 1) {
    *buffer_ = '\0';
  }
  void append(const char* text) noexcept {
    const std::size_t length = std::strlen(text);
    std::size_t taken = std::min(length, room_);
    if (taken < length) {
      while (taken > 0 && continues_character(text[taken])) --taken;
    }
    std::memcpy(buffer_, text, taken);
    buffer_ += taken;
    *buffer_ = '\0';
    // Once something was cut, nothing more may follow it.
    room_ = taken < length ? 0 : room_ - taken;
  }

 private:
  char* buffer_;
  std::size_t room_;
};

// The end of a long place says more than its beginning: it has the file's name and the offset.
const char* tail_of(const char* text, std::size_t most) noexcept {
  const std::size_t length = std::strlen(text);
  if (length <= most) return text;
  const char* tail = text + (length - most);
  while (continues_character(*tail)) ++tail;
  return tail;
}

// strerror_r comes in two kinds; overloads on what it returned tell them apart.
[[maybe_unused]] const char* chosen(const char* returned, const char*) noexcept { return returned; }
[[maybe_unused]] const char* chosen(int returned, const char* buffer) noexcept {
  return returned == 0 ? buffer : "unknown error";
}

}  // namespace

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::locked: return "locked";
    case ErrorCode::read_only: return "read_only";
    case ErrorCode::not_a_database: return "not_a_database";
    case ErrorCode::newer_format: return "newer_format";
    case ErrorCode::corruption: return "corruption";
    case ErrorCode::io_error: return "io_error";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::poisoned: return "poisoned";
    case ErrorCode::closed: return "closed";
    case ErrorCode::limit_exceeded: return "limit_exceeded";
    case ErrorCode::unsupported: return "unsupported";
  }
  return "unknown";
}

Error::Error(ErrorCode code, int system_error, const char* place, const char* text) noexcept
    : code_(code), system_error_(system_error) {
  constexpr char kCut[] = "...";
  FixedText kept(place_, sizeof place_);
  if (std::strlen(place) >= sizeof place_) {
    kept.append(kCut);
    place = tail_of(place, sizeof place_ - sizeof kCut);
  }
  kept.append(place);

  FixedText message(message_, sizeof message_);
  message.append(place_);
  message.append(": ");
  message.append(text);
  if (system_error != 0) {
    char buffer[128] = "";
    message.append(": ");
    message.append(chosen(strerror_r(system_error, buffer, sizeof buffer), buffer));
  }
}

namespace detail {

void abort_without_value(const Error& error) noexcept {
  std::fprintf(stderr, "xtree: the value of a failed Result was taken: %s\n", error.message());
  std::abort();
}

}  // namespace detail
}  // namespace xtree
