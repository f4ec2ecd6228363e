//! What is counted, so that a run proves what it says.

/// What a life has been through.
#[derive(Debug, Default)]
pub(in super::super) struct Tally {
    /// Ends of the machine or of the process, in its work and in its starts.
    pub(in super::super) crashes: u64,
    /// Those of them that came in a start.
    pub(in super::super) restarts_cut: u64,
    /// Disks that broke.
    pub(in super::super) breaks: u64,
    /// Full disks that had room again.
    pub(in super::super) refills: u64,
    /// Segments that were emptied.
    pub(in super::super) retired: u64,
    /// Writes of the index.
    pub(in super::super) index_writes: u64,
    /// Starts that had to make the index anew, though no disk was broken.
    pub(in super::super) rebuilds: u64,
}

impl Tally {
    pub(in super::super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.restarts_cut += other.restarts_cut;
        self.breaks += other.breaks;
        self.refills += other.refills;
        self.retired += other.retired;
        self.index_writes += other.index_writes;
        self.rebuilds += other.rebuilds;
    }
}
