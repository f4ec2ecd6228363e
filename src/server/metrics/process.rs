//! What every process says of itself.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::gauge;
use crate::server::usage::Usage;

/// Under the names that Prometheus gives every process.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let Some(usage) = Usage::now() else {
        return Ok(());
    };
    gauge(
        encoder,
        "process_resident_memory_bytes",
        "Memory in use",
        usage.resident_bytes,
    )?;
    gauge(
        encoder,
        "process_open_fds",
        "File descriptors in use",
        usage.open_fds,
    )?;
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let tasks = runtime.metrics().num_alive_tasks() as u64;
        gauge(encoder, "parlor_tasks", "Tasks of the runtime", tasks)?;
    }
    gauge(
        encoder,
        "process_max_fds",
        "File descriptors there may be",
        usage.max_fds,
    )?;
    let cpu = ConstCounter::new(usage.cpu_seconds);
    cpu.encode(encoder.encode_descriptor(
        "process_cpu_seconds",
        "Processor time used",
        None,
        cpu.metric_type(),
    )?)?;
    let start = ConstGauge::new(usage.start_time_seconds);
    start.encode(encoder.encode_descriptor(
        "process_start_time_seconds",
        "When the process began, in seconds since 1970",
        None,
        start.metric_type(),
    )?)
}
