//! What a vote does next, and who has won: pure, so that the rules are tested without a model.

use std::collections::BTreeMap;

use ozone_types::{ProReport, ProStop, Votes};

use super::{MOfK, ProPolicy, Select};
use crate::vote::{self, Ballot};

/// Of prose, which no vote can decide, no more samples are taken unless `n_min` asks for them.
pub const OPEN_SAMPLES_MAX: u32 = 4;
/// Where as many samples have failed and none has answered, more of them would fail too.
const FAILURES_MAX: usize = 3;

/// How a sample ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Voted(Ballot),
    /// Without an answer.
    Void,
    /// Since the vote was decided before.
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// So many more samples.
    Start(u32),
    Wait,
    Stop(ProStop),
}

/// Whose answer is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This sample's.
    Sample(u32),
    /// The model decides among these samples.
    Among(Vec<u32>),
    Nobody,
}

/// A vote under way.
#[derive(Debug, Clone)]
pub struct Poll {
    policy: ProPolicy,
    samples_max: u32,
    started: u32,
    ended: BTreeMap<u32, Ended>,
    /// No more samples may begin: the time or the money is spent.
    closed: bool,
}

impl Poll {
    /// `samples_max`: of the policy's, as many as can be paid for.
    pub fn new(policy: ProPolicy, samples_max: u32) -> Poll {
        let samples_max = samples_max.clamp(1, policy.n_max);
        Poll { policy, samples_max, started: 0, ended: BTreeMap::new(), closed: false }
    }

    pub fn samples_max(&self) -> u32 {
        self.samples_max
    }

    pub fn started(&self) -> u32 {
        self.started
    }

    /// A sample begins; gives its place.
    pub fn start(&mut self) -> u32 {
        self.started += 1;
        self.started - 1
    }

    pub fn end(&mut self, sample: u32, ended: Ended) {
        self.ended.insert(sample, ended);
    }

    pub fn close(&mut self) {
        self.closed = true;
    }

    pub fn next(&self) -> Next {
        let running = self.started - self.ended.len() as u32;
        let voted = self.voted(self.started).len() as u32;
        if let Some(stop) = self.decided() {
            return Next::Stop(stop);
        }
        if self.closed {
            return if running == 0 { Next::Stop(ProStop::CutShort) } else { Next::Wait };
        }
        if voted == 0 && self.ended.len() >= FAILURES_MAX {
            return if running == 0 { Next::Stop(ProStop::Exhausted) } else { Next::Wait };
        }
        let limit = self.limit();
        let wanted = self.wanted(voted).max(self.policy.parallel);
        match wanted.saturating_sub(running).min(limit.saturating_sub(self.started)) {
            0 if running == 0 => Next::Stop(ProStop::Exhausted),
            0 => Next::Wait,
            more => Next::Start(more),
        }
    }

    /// The most samples that make sense.
    fn limit(&self) -> u32 {
        if let Some(MOfK { k, .. }) = self.policy.stop.m_of_k {
            return k.min(self.samples_max);
        }
        let few = OPEN_SAMPLES_MAX.max(self.policy.n_min).min(self.samples_max);
        let voted = self.voted(self.started);
        let is_open = !voted.is_empty() && voted.values().all(|ballot| ballot.answer.is_none());
        if is_open || self.is_written() { few } else { self.samples_max }
    }

    /// Whether the model and no vote finds the answer.
    fn is_written(&self) -> bool {
        matches!(self.policy.select, Select::Verifier | Select::Fuse)
    }

    /// The fewest samples under way that could decide the vote.
    fn wanted(&self, voted: u32) -> u32 {
        if self.policy.stop.m_of_k.is_some() || self.is_written() {
            return self.limit();
        }
        let (leader, runner_up) = lead(&self.votes(self.started));
        let likely = |more: &u32| {
            vote::posterior(leader + f64::from(*more), runner_up) >= self.policy.stop.posterior
        };
        let deciding = (1..self.samples_max).find(likely).unwrap_or(self.samples_max);
        deciding.max(self.policy.n_min.saturating_sub(voted))
    }

    /// Whether more samples would change nothing. Samples count in the order in which they began,
    /// whoever was faster: those that are still running before the last one that counts are taken
    /// for votes against the leader.
    fn decided(&self) -> Option<ProStop> {
        if let Some(MOfK { m, .. }) = self.policy.stop.m_of_k {
            let enough = self.voted(self.started).len() >= m as usize;
            return enough.then_some(ProStop::MOfK);
        }
        self.deciding().map(|_| ProStop::Posterior)
    }

    /// How many of the first samples decide the vote, and how likely its result is to stay.
    fn deciding(&self) -> Option<(u32, f64)> {
        if self.is_written() || self.policy.stop.m_of_k.is_some() {
            return None;
        }
        (self.policy.n_min..=self.started).find_map(|first| {
            let posterior = self.posterior(first)?;
            let enough = self.voted(first).len() >= self.policy.n_min as usize;
            (enough && posterior >= self.policy.stop.posterior).then_some((first, posterior))
        })
    }

    fn posterior(&self, first: u32) -> Option<f64> {
        let votes = self.votes(first);
        // What was cut would have said something, too: so the result is the same once it is cut.
        let ended = self.ended.range(..first).filter(|(_, ended)| **ended != Ended::Cut);
        let unknown = first - ended.count() as u32;
        let (leader, runner_up) = lead(&votes);
        (!votes.is_empty()).then(|| vote::posterior(leader, runner_up + f64::from(unknown)))
    }

    fn voted(&self, first: u32) -> BTreeMap<u32, &Ballot> {
        let ended = self.ended.range(..first);
        ended
            .filter_map(|(at, ended)| match ended {
                Ended::Voted(ballot) => Some((*at, ballot)),
                Ended::Void | Ended::Cut => None,
            })
            .collect()
    }

    fn votes(&self, first: u32) -> Vec<Votes> {
        let is_plain = self.policy.select == Select::Vote;
        let ballots = self.voted(first).into_iter().map(|(at, ballot)| {
            let confidence = ballot.confidence.filter(|_| !is_plain);
            (at, Ballot { answer: ballot.answer.clone(), confidence })
        });
        vote::count(&ballots.collect())
    }

    /// The samples that count.
    fn counted(&self) -> u32 {
        self.deciding().map_or(self.started, |(first, _)| first)
    }

    /// Who has won, once the vote has stopped.
    pub fn choice(&self) -> Choice {
        let first = self.counted();
        let (votes, voted) = (self.votes(first), self.voted(first));
        let surest = |of: &mut dyn Iterator<Item = (&u32, &&Ballot)>| {
            let best = of.reduce(|best, next| {
                let sure = |ballot: &Ballot| ballot.confidence.unwrap_or(0.0);
                if sure(next.1) > sure(best.1) { next } else { best }
            });
            best.map(|(at, _)| *at)
        };
        if voted.is_empty() {
            return Choice::Nobody;
        }
        let agree = votes.iter().any(|votes| votes.count > 1) || voted.len() == 1;
        let all_agree = votes.len() == 1 && voted.values().all(|ballot| ballot.answer.is_some());
        if let Some(leader) = votes.first()
            && agree
            && (all_agree || !self.is_written())
        {
            let answer = Some(&leader.answer);
            let mut same = voted.iter().filter(|(_, b)| b.answer.as_ref() == answer);
            return surest(&mut same).map_or(Choice::Nobody, Choice::Sample);
        }
        // One for each answer, and all prose.
        let mut among: Vec<u32> = votes
            .iter()
            .filter_map(|votes| {
                let answer = Some(&votes.answer);
                surest(&mut voted.iter().filter(|(_, b)| b.answer.as_ref() == answer))
            })
            .collect();
        among.extend(voted.iter().filter(|(_, b)| b.answer.is_none()).map(|(at, _)| *at));
        match among.as_slice() {
            [only] => Choice::Sample(*only),
            _ => Choice::Among(among),
        }
    }

    /// The surest of all, where the model could not decide.
    pub fn surest(&self, among: &[u32]) -> Option<u32> {
        let voted = self.voted(self.started);
        let sure = |at: &u32| voted.get(at).and_then(|b| b.confidence).unwrap_or(0.0);
        among
            .iter()
            .copied()
            .reduce(|best, next| if sure(&next) > sure(&best) { next } else { best })
    }

    pub fn fuses(&self) -> bool {
        self.policy.select == Select::Fuse
    }

    /// What a reader is told. Ids and costs are the caller's to add.
    pub fn report(&self) -> ProReport {
        let first = self.counted();
        let ended = |is: fn(&Ended) -> bool| self.ended.values().filter(|e| is(e)).count() as u32;
        ProReport {
            samples_max: self.samples_max,
            started: self.started,
            finished: ended(|e| matches!(e, Ended::Voted(_))),
            failed: ended(|e| *e == Ended::Void),
            cut: ended(|e| *e == Ended::Cut),
            votes: self.votes(first),
            posterior: self.posterior(first),
            ..ProReport::default()
        }
    }
}

/// What the leader's and the runner-up's votes count.
fn lead(votes: &[Votes]) -> (f64, f64) {
    let weight = |at: usize| votes.get(at).map_or(0.0, |votes| votes.weight);
    (weight(0), weight(1))
}
