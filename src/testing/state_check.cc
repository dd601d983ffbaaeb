#include "testing/state_check.h"

#include "platform/check.h"
#include "testing/driver.h"

namespace xtree::testing {
namespace {

Result<Fingerprint> read_and_verify(SimulatedFileSystem& files) {
  Driver driver(files);
  XTREE_TRY(driver.open());
  auto content = read_content(driver.database(), nullptr);
  if (!content) return content;
  XTREE_TRY(driver.database().verify());
  return content;
}

}  // namespace

Result<Fingerprint> recover_content(const DiskImage& image) {
  SimulatedFileSystem files(image);
  auto content = read_and_verify(files);
  if (content && (files.open_files() != 0 || files.held_locks() != 0)) {
    return Error(ErrorCode::io_error, "files", "the database left files open");
  }
  return content;
}

std::string describe_difference(const Oracle& oracle, const Fingerprint& found,
                                const std::vector<Fingerprint>& allowed) {
  const auto describe = [&](std::string& text, const Fingerprint& fingerprint) {
    const auto content = oracle.content_of(fingerprint);
    text.append(" (");
    text.append(content ? content->describe() : std::string("no state that there ever was"));
    text.append(")");
  };
  std::string text("found");
  describe(text, found);
  text.append(", expected");
  for (const Fingerprint& one : allowed) describe(text, one);
  return text;
}

}  // namespace xtree::testing
