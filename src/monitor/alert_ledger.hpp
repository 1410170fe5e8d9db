/// The file in which alerts, silences and undelivered notifications outlive the process (docs/formats/alerts.md).
/// Invariant: a change is in the file whole or not at all: it is written beside and renamed, so that a state and the
/// notifications that follow from it are never seen apart, whenever the process is killed.
#pragma once

#include <filesystem>
#include <vector>

#include "monitor/alerts.hpp"
#include "monitor/outbox.hpp"

namespace hotwell::monitor {

struct AlertLedger {
  std::vector<AlertBook::Saved> alerts;
  std::vector<Silence> silences;
  std::vector<Delivery> deliveries;
};

/// Errors: io, disk_full; then the file is what it was before.
Result<void> write_ledger(const std::filesystem::path& file, const AlertLedger& ledger);
/// An absent file is an empty ledger. Errors: io; corrupt_input where it is no ledger.
[[nodiscard]] Result<AlertLedger> read_ledger(const std::filesystem::path& file);

}  // namespace hotwell::monitor
