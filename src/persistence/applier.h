// Applier: what persistence asks of the layer above it, when it commits and when it recovers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "persistence/node_family.h"
#include "persistence/node_id.h"
#include "xtree/result.h"

namespace xtree::persistence {

class VersionStore;

// Gives operations their meaning. All calls come from the one thread that writes at the time.
class Applier {
 public:
  virtual ~Applier() = default;

  // Takes over the store once a checkpoint's table is in it; `catalog` is the object that an
  // earlier Applier made, or zero in a new database, where it makes one. Called within an epoch.
  virtual Result<void> attach(VersionStore& store, NodeId catalog) = 0;
  [[nodiscard]] virtual NodeId catalog() const noexcept = 0;
  // For the store.
  [[nodiscard]] virtual NodeFamily node_family() const noexcept = 0;

  // Whether `apply` may be called with these operations now. An error has changed nothing.
  virtual Result<void> check(std::span<const std::byte> operations) = 0;
  // Changes the running epoch's state. Stores in answers[i] whether operation i met its entry, when
  // `answers` is not null. An error leaves the epoch unfit to be published.
  // A replay will not see what is not `logged`.
  virtual Result<void> apply(std::span<const std::byte> operations, bool logged,
                             bool* answers) = 0;
  // Applies a group of the log again. Its writes had been accepted one after the other, so each
  // operation is checked with those before it applied, and against no limit: what was acknowledged
  // is not refused.
  virtual Result<void> replay(std::span<const std::byte> operations) = 0;
  // Called once after the last `apply` of an epoch: writes what `apply` put off.
  virtual Result<void> finish_epoch() = 0;

  // A checkpoint will hold everything so far; and: the last such checkpoint is there.
  virtual void cut() noexcept = 0;
  virtual void checkpointed() noexcept = 0;
};

}  // namespace xtree::persistence
