// Operations of a log group whose checksum is right: they are refused, or every name and payload
// lies within the bytes, and what was read is what writing it again gives.
#include <algorithm>
#include <vector>

#include "fuzz/input.h"
#include "index/operation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xtree::index;
  const auto bytes = std::as_bytes(std::span(data, size));
  OperationReader reader(bytes);
  Operation operation;
  std::vector<std::byte> again;
  for (;;) {
    const auto more = reader.next(operation);
    if (!more) {
      xtree::test::require(more.error().code() == xtree::ErrorCode::corruption);
      return 0;
    }
    if (!*more) break;
    if (operation.kind == OperationKind::create_index && operation.payload.size() == 8) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, operation.payload.data(), sizeof bits);
      if (const auto schema = decode_schema(bits)) {
        xtree::test::require(decode_schema(encode_schema(*schema)).value() == *schema);
      }
    }
    append_operation(again, operation.kind, operation.index, operation.name, operation.payload);
  }
  xtree::test::require(std::ranges::equal(again, bytes));
  return 0;
}
