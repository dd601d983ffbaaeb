#include "persistence/salvage.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <vector>

#include "persistence/committed_file.h"
#include "persistence/stored_image.h"
#include "support/crashing_disk.h"

namespace xtree::persistence {
namespace {

// Who looks for leaves that nothing leads to believes the last life of a slot, and passes over
// those that come before it.
TEST(ScannedImages, LieBySlotWithItsLastLifeAtTheEnd) {
  const std::vector<NodeId> written = {NodeId::make(9, 1), NodeId::make(4, 2), NodeId::make(9, 3),
                                       NodeId::make(4, 1)};
  std::vector<std::byte> segment(written.size() * kFrameAlignment);
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto image = std::span(segment).subspan(i * kFrameAlignment, kFrameAlignment);
    const FrameHeader header{.node_id = written[i].bits,
                             .birth = i + 1,
                             .previous = nullptr,
                             .checksum = 0,
                             .bytes = kFrameAlignment};
    std::memcpy(image.data(), &header, sizeof header);
    seal_image(image);
  }
  testing::SimulatedFileSystem files;
  files.make_directory("db").value();
  files.make_directory("db/segments").value();
  auto file = files.open(segment_path("db", 1), OpenMode::create).value();
  file->write_at(0, segment).value();
  FaultReport report;
  FaultList faults("db", report);
  const ScannedImages images = scan_segments(files, "db", faults);
  std::vector<NodeId> found;
  for (const ImagePlace& place : images.whole) found.push_back(place.id);
  const std::vector<NodeId> wanted = {NodeId::make(4, 1), NodeId::make(4, 2), NodeId::make(9, 1),
                                      NodeId::make(9, 3)};
  EXPECT_EQ(found, wanted);
  EXPECT_TRUE(images.torn.empty());
}

}  // namespace
}  // namespace xtree::persistence
