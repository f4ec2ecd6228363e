//! Telling those who wait how it went.

use super::*;

pub(super) enum Outcome {
    Commit {
        lane: Arc<LaneState>,
        generation: u64,
        ticket: u64,
        result: Result<(), Error>,
        queued: std::time::Instant,
    },
    Copy {
        moved: Option<(SessionId, Row)>,
        signal: Arc<Signal>,
    },
    Barrier(Arc<Signal>),
}

/// Fails jobs without trying.
pub(super) fn refuse(engine: &Engine, jobs: Vec<Job>) {
    let failure = engine.refusal();
    let outcomes = jobs.into_iter().map(|job| match job {
        Job::Commit {
            lane,
            generation,
            ticket,
            queued,
            ..
        } => {
            let failed = lane.has_failed(generation);
            Outcome::Commit {
                result: if failed {
                    Err(Error::Abandoned)
                } else {
                    Ok(())
                },
                lane,
                generation,
                ticket,
                queued,
            }
        }
        Job::Copy { signal, .. } => Outcome::Copy {
            moved: None,
            signal,
        },
        Job::Barrier(signal) => Outcome::Barrier(signal),
    });
    tell(engine, outcomes.collect(), Some(&failure));
}

pub(super) fn tell(engine: &Engine, outcomes: Vec<Outcome>, failure: Option<&Error>) {
    let mut lanes: Vec<(Arc<LaneState>, Vec<Completion>)> = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Commit {
                lane,
                generation,
                ticket,
                result,
                queued,
            } => {
                let result = settle(&lane, generation, result, failure);
                match &result {
                    Ok(()) => engine.stats.waited(queued.elapsed()),
                    Err(_) => super::super::stats::add(&engine.stats.failures, 1),
                }
                push(&mut lanes, lane, Completion { ticket, result });
            }
            Outcome::Copy { moved, signal } => {
                let done = failure.is_none()
                    && moved.is_none_or(|(session, row)| engine.relocate(session, row));
                signal.tell(done);
            }
            Outcome::Barrier(signal) => signal.tell(failure.is_none()),
        }
    }
    for (lane, completions) in lanes {
        lane.complete(completions);
    }
}

/// The result of a batch whose group succeeded or failed: the first failure of a lane has its reason, what follows is
/// abandoned.
fn settle(
    lane: &LaneState,
    generation: u64,
    result: Result<(), Error>,
    failure: Option<&Error>,
) -> Result<(), Error> {
    let Some(failure) = failure else {
        return result;
    };
    result?;
    if lane.has_failed(generation) {
        return Err(Error::Abandoned);
    }
    lane.fail(generation);
    Err(failure.clone())
}

fn push(
    lanes: &mut Vec<(Arc<LaneState>, Vec<Completion>)>,
    lane: Arc<LaneState>,
    completion: Completion,
) {
    match lanes
        .iter_mut()
        .find(|(known, _)| Arc::ptr_eq(known, &lane))
    {
        Some((_, completions)) => completions.push(completion),
        None => lanes.push((lane, vec![completion])),
    }
}
