//! The protocol among gateways that freeze, on a network that loses, delays and repeats, with a server that is restarted,
//! flushed, replaced by a replica that lacks the last writes, and whose clock is set. Everything is drawn from a seed.
//!
//! The server is a plain model of the scripts ([`server`]); the gateways run the real [`Follower`] and [`Waiting`].

mod server;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use server::{Server, State};

use super::{
    bumping::Waiting,
    follower::{Follower, Renewed},
    ledger::{Counted, Holder, Holders, Ledger, Message, Position, Renewal},
    pending::Pending,
};
use crate::cache::{Epochs, Stamp, coherence::Bump};

const TAGS: [&str; 4] = ["a", "b", "c", "d"];
const GATEWAYS: usize = 3;

#[derive(Clone)]
enum Request {
    Subscribe,
    Renew {
        position: Option<Position>,
        count: u64,
    },
    Read,
    Restart(Option<u64>),
    /// The bump with this number; `None`: what was pending.
    Count(Option<usize>, Pending),
    Holders(usize),
    Forget(u64, Holders),
}

#[derive(Clone)]
enum Reply {
    Subscribed(u64),
    Renewed(Renewal),
    Read(Option<Ledger>),
    Restarted,
    Counted(Option<usize>, Pending, Counted),
    Holders(usize, u64, Holders),
}

#[derive(Clone)]
enum Event {
    /// The gateway's task goes on.
    Act(usize),
    Arrives(usize, u64, u64, Request),
    Answered(usize, u64, u64, Reply),
    GaveUp(usize, u64, Request),
    Said(usize, u64, Message),
    Unsubscribed(usize, u64),
    Ask(usize, usize),
    Happens,
}

struct Gateway {
    name: String,
    epochs: Arc<Epochs>,
    follower: Follower,
    subscription: Option<u64>,
    /// The request of its task that is on its way.
    expects: Option<u64>,
    frozen_until: u64,
    renewals: u64,
}

struct BumpMade {
    by: usize,
    tag: Option<usize>,
    begun: u64,
    waiting: Option<Waiting>,
}

/// What was seen to happen, so that the test is known to test something.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: u64,
    lapsed: u64,
    refused: u64,
    leases: u64,
    current: u64,
    outdated: u64,
    gaps: u64,
    steps: u64,
    frozen: u64,
}

struct World {
    random: StdRng,
    origin: Instant,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, Event>,
    numbers: u64,
    server: Server,
    gateways: Vec<Gateway>,
    bumps: Vec<BumpMade>,
    /// When each tag's latest acknowledged bump was begun.
    acknowledged: [u64; TAGS.len()],
    /// Tag, when it was taken, and the stamp.
    stamps: Vec<(usize, u64, Stamp)>,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let gateway = |index| {
            let epochs = Arc::new(Epochs::shared());
            let follower = Follower::new(Arc::clone(&epochs), Instant::now());
            let name = format!("gateway-{index}");
            Gateway { name, epochs, follower, subscription: None, expects: None, frozen_until: 0, renewals: 0 }
        };
        let gateways: Vec<_> = (0..GATEWAYS).map(gateway).collect();
        let server = Server { run: 1, state: State::default(), history: Vec::new(), clock: 1 << 40, incarnations: 0 };
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            origin: Instant::now(),
            now: 0,
            events: BinaryHeap::new(),
            what: BTreeMap::new(),
            numbers: 0,
            server,
            gateways,
            bumps: Vec::new(),
            acknowledged: [0; TAGS.len()],
            stamps: Vec::new(),
            seen: Seen::default(),
        };
        (0..GATEWAYS).for_each(|index| world.after(index as u64, Event::Act(index)));
        world.after(1, Event::Happens);
        world
    }

    fn instant(&self, at: u64) -> Instant {
        self.origin + Duration::from_millis(at)
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn after(&mut self, delay: u64, event: Event) {
        let number = self.number();
        self.events.push(Reverse((self.now + delay, number)));
        self.what.insert(number, event);
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_ratio(1, one_in)
    }

    /// Mostly quick, at times slow.
    fn delay(&mut self) -> u64 {
        if self.chance(12) { self.random.random_range(50..700) } else { self.random.random_range(0..5) }
    }

    fn run(mut self, until: u64) -> Seen {
        while let Some(Reverse((at, number))) = self.events.pop() {
            self.now = at;
            if at > until {
                break;
            }
            let event = self.what.remove(&number).expect("it was planned");
            if let Some(frozen) = self.frozen(&event) {
                self.after(frozen, event);
                continue;
            }
            self.handle(event);
            self.check();
        }
        for gateway in &self.gateways {
            self.seen.gaps += gateway.follower.statistics.gaps;
            self.seen.steps += gateway.follower.statistics.clock_steps;
        }
        self.seen
    }

    /// How long what happens at a gateway has to wait since it is frozen.
    fn frozen(&self, event: &Event) -> Option<u64> {
        let (Event::Act(of)
        | Event::Answered(of, ..)
        | Event::GaveUp(of, ..)
        | Event::Said(of, ..)
        | Event::Unsubscribed(of, _)
        | Event::Ask(of, _)) = event
        else {
            return None;
        };
        self.gateways[*of].frozen_until.checked_sub(self.now).filter(|left| *left > 0)
    }

    /// Nothing from before an acknowledged bump is current where every bump is said to be known.
    fn check(&mut self) {
        let now = self.instant(self.now);
        for gateway in self.gateways.iter().filter(|gateway| gateway.epochs.is_leased(now)) {
            self.seen.leases += 1;
            for (tag, taken, stamp) in &self.stamps {
                let is_current = gateway.epochs.is_current(stamp);
                self.seen.current += u64::from(is_current);
                self.seen.outdated += u64::from(!is_current);
                let bumped = self.acknowledged[*tag];
                assert!(
                    !is_current || *taken >= bumped,
                    "at {} {} serves what was stamped at {taken} by tag {tag}, bumped at {bumped}",
                    self.now,
                    gateway.name,
                );
            }
        }
    }

    fn send(&mut self, of: usize, request: Request) {
        let number = self.number();
        if !matches!(request, Request::Count(Some(_), _) | Request::Holders(_) | Request::Forget(..)) {
            self.gateways[of].expects = Some(number);
        }
        let delay = self.delay();
        if !self.chance(40) {
            self.after(delay, Event::Arrives(of, number, self.now, request.clone()));
        }
        self.after(500, Event::GaveUp(of, number, request));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Act(of) => self.act(of),
            Event::Arrives(of, number, asked, request) => self.arrives(of, number, asked, request),
            Event::Answered(of, number, asked, reply) => self.answered(of, number, asked, reply),
            Event::GaveUp(of, number, request) => self.gave_up(of, number, request),
            Event::Said(of, subscription, message) => {
                if self.gateways[of].subscription == Some(subscription) {
                    self.gateways[of].follower.hear(&message);
                    self.act(of);
                }
            }
            Event::Unsubscribed(of, subscription) => {
                if self.gateways[of].subscription == Some(subscription) {
                    self.lose(of);
                }
            }
            Event::Ask(of, bump) => self.ask(of, bump),
            Event::Happens => self.happens(),
        }
    }

    fn act(&mut self, of: usize) {
        let gateway = &mut self.gateways[of];
        if gateway.expects.is_some() {
            return;
        }
        let request = if gateway.subscription.is_none() {
            Request::Subscribe
        } else {
            gateway.renewals += 1;
            Request::Renew { position: gateway.follower.position(), count: gateway.renewals }
        };
        self.send(of, request);
    }

    /// Everything begins again with a subscription.
    fn lose(&mut self, of: usize) {
        let gateway = &mut self.gateways[of];
        (gateway.subscription, gateway.expects) = (None, None);
        gateway.follower.miss();
        self.after(50, Event::Act(of));
    }

    fn say(&mut self, message: &Message) {
        for of in 0..GATEWAYS {
            let Some(subscription) = self.gateways[of].subscription else { continue };
            let times = if self.chance(10) { 0 } else { 1 + usize::from(self.chance(20)) };
            for _ in 0..times {
                let delay = self.delay();
                self.after(delay, Event::Said(of, subscription, message.clone()));
            }
        }
    }

    fn arrives(&mut self, of: usize, number: u64, asked: u64, request: Request) {
        if let Request::Subscribe = request {
            let subscription = self.number();
            // From here on it is heard, even before the gateway knows.
            self.gateways[of].subscription = Some(subscription);
            return self.reply(of, number, asked, Reply::Subscribed(subscription));
        }
        if let Request::Read = request {
            let ledger = self.server.state.ledger.clone().map(|(_, ledger)| ledger);
            return self.reply(of, number, asked, Reply::Read(ledger));
        }
        if let Some(message) = self.server.check() {
            self.say(&message);
        }
        let at = self.server.at();
        let name = self.gateways[of].name.clone();
        match request {
            Request::Subscribe | Request::Read => {}
            Request::Renew { position, count } => {
                let seen = position.filter(|position| position.incarnation == at.incarnation);
                let seen = seen.map_or(-1, |position| position.seq as i64);
                self.server.holders().insert(name, Holder(format!("{seen} {count}")));
                let renewal = Renewal { at, time: self.now + self.server.clock };
                self.reply(of, number, asked, Reply::Renewed(renewal));
            }
            Request::Restart(incarnation) => {
                if incarnation == Some(at.incarnation) {
                    let message = self.server.begin();
                    self.say(&message);
                }
                self.reply(of, number, asked, Reply::Restarted);
            }
            Request::Count(bump, what) => {
                let message = self.server.bump(&what);
                self.say(&message);
                let counted = Counted { message, holders: self.server.holders().clone() };
                self.reply(of, number, asked, Reply::Counted(bump, what, counted));
            }
            Request::Holders(bump) => {
                let holders = self.server.holders().clone();
                self.reply(of, number, asked, Reply::Holders(bump, at.incarnation, holders));
            }
            Request::Forget(incarnation, holders) => {
                if incarnation == at.incarnation {
                    self.server.holders().retain(|name, holder| holders.get(name) != Some(holder));
                }
            }
        }
        self.server.history.push(self.server.state.clone());
    }

    fn reply(&mut self, of: usize, number: u64, asked: u64, reply: Reply) {
        let delay = self.delay();
        if !self.chance(40) {
            self.after(delay, Event::Answered(of, number, asked, reply));
        }
    }

    fn answered(&mut self, of: usize, number: u64, asked: u64, reply: Reply) {
        // What comes later than the client waits is not read.
        let late = self.now > asked + 500;
        let now = self.instant(self.now);
        let gateway = &mut self.gateways[of];
        let expected = gateway.expects == Some(number);
        match reply {
            Reply::Counted(Some(bump), what, counted) if !late && self.bumps[bump].waiting.is_none() => {
                let since = gateway.follower.counted(&counted.message, &what, now);
                self.bumps[bump].waiting = Some(Waiting::new(counted, &gateway.name, now, since));
                return self.ask(of, bump);
            }
            Reply::Holders(bump, incarnation, holders) if !late => {
                let waiting = self.bumps[bump].waiting.as_mut().expect("it asked");
                return waiting.observe(incarnation, &holders);
            }
            _ if !expected => return,
            _ => gateway.expects = None,
        }
        match reply {
            Reply::Counted(Some(_), ..) | Reply::Holders(..) => {}
            Reply::Subscribed(subscription) => {
                if gateway.subscription == Some(subscription) {
                    gateway.follower.miss();
                    self.act(of);
                } else {
                    self.lose(of);
                }
            }
            Reply::Renewed(renewal) => {
                let asked = self.origin + Duration::from_millis(asked);
                match gateway.follower.renewed(&renewal, asked, now) {
                    Renewed::Leased => self.after(300, Event::Act(of)),
                    Renewed::Behind => match self.random.random_ratio(1, 5) {
                        true => self.lose(of),
                        false => self.after(20, Event::Act(of)),
                    },
                    Renewed::Stepped => {
                        let known = gateway.follower.incarnation();
                        self.send(of, Request::Restart(known));
                    }
                    Renewed::Lost => match gateway.follower.take_pending() {
                        Some(pending) => self.send(of, Request::Count(None, pending)),
                        None => self.send(of, Request::Read),
                    },
                }
            }
            Reply::Read(ledger) => {
                if let Some(ledger) = ledger {
                    gateway.follower.adopt(&ledger);
                }
                self.act(of);
            }
            Reply::Restarted => self.act(of),
            Reply::Counted(None, what, counted) => {
                gateway.follower.counted(&counted.message, &what, now);
                self.send(of, Request::Read);
            }
        }
    }

    fn gave_up(&mut self, of: usize, number: u64, request: Request) {
        match request {
            Request::Count(Some(bump), what) if self.bumps[bump].waiting.is_none() => {
                self.gateways[of].follower.not_counted(what);
                self.seen.refused += 1;
            }
            _ if self.gateways[of].expects != Some(number) => {}
            Request::Count(None, pending) => {
                self.gateways[of].follower.put_back(pending);
                self.lose(of);
            }
            _ => self.lose(of),
        }
    }

    /// The one who bumped looks whether it is over.
    fn ask(&mut self, of: usize, bump: usize) {
        let now = self.instant(self.now);
        let made = &self.bumps[bump];
        let waiting = made.waiting.as_ref().expect("it was counted");
        if !waiting.is_over(now) {
            self.send(of, Request::Holders(bump));
            let pause = self.random.random_range(1..50);
            return self.after(pause, Event::Ask(made_by(&self.bumps, bump), bump));
        }
        let (lapsed, incarnation) = (waiting.lapsed().clone(), waiting.incarnation());
        self.seen.acknowledged += 1;
        self.seen.lapsed += lapsed.len() as u64;
        for (tag, latest) in self.acknowledged.iter_mut().enumerate() {
            if made.tag.is_none_or(|bumped| bumped == tag) {
                *latest = (*latest).max(made.begun);
            }
        }
        if !lapsed.is_empty() {
            self.send(of, Request::Forget(incarnation, lapsed));
        }
    }

    /// Something happens that nobody asked for.
    fn happens(&mut self) {
        let of = self.random.random_range(0..GATEWAYS);
        let awake = self.gateways[of].frozen_until <= self.now;
        match self.random.random_range(0..400) {
            // An entry is begun.
            0..200 if awake => {
                let tag = self.random.random_range(0..TAGS.len());
                self.stamps.push((tag, self.now, self.gateways[of].epochs.stamp([TAGS[tag]])));
                if self.stamps.len() > 40 {
                    self.stamps.remove(0);
                }
            }
            200..270 if awake => {
                let tag = (!self.chance(10)).then(|| self.random.random_range(0..TAGS.len()));
                let what = tag.map_or(Bump::All, |tag| Bump::Tags(vec![TAGS[tag].into()]));
                // Stamps of the same moment are not from before.
                self.bumps.push(BumpMade { by: of, tag, begun: self.now, waiting: None });
                self.send(of, Request::Count(Some(self.bumps.len() - 1), Pending::of(&what)));
            }
            270..300 => {
                self.gateways[of].frozen_until = self.now + self.random.random_range(100..3000);
                self.seen.frozen += 1;
            }
            300..320 => {
                if let Some(subscription) = self.gateways[of].subscription {
                    self.after(1, Event::Unsubscribed(of, subscription));
                }
            }
            320..340 => self.server_fails(),
            340..342 => {
                let step = self.random.random_range(-9_000_000..9_000_000);
                self.server.clock = self.server.clock.wrapping_add_signed(step);
            }
            _ => {}
        }
        let pause = self.random.random_range(1..30);
        self.after(pause, Event::Happens);
    }

    fn server_fails(&mut self) {
        match self.random.random_range(0..5) {
            0 => self.server.state = State::default(),
            1 => self.server.state.ledger = None,
            2 => self.server.state.gateways = None,
            // Started again, or replaced by a replica, with the last writes or without.
            _ => {
                self.server.run += 1;
                let kept = self.server.history.len().saturating_sub(self.random.random_range(0..20));
                self.server.state =
                    kept.checked_sub(1).map(|last| self.server.history[last].clone()).unwrap_or_default();
                self.server.history.clear();
                for of in 0..GATEWAYS {
                    if let Some(subscription) = self.gateways[of].subscription {
                        let delay = self.delay();
                        self.after(delay, Event::Unsubscribed(of, subscription));
                    }
                }
            }
        }
    }
}

fn made_by(bumps: &[BumpMade], bump: usize) -> usize {
    bumps[bump].by
}

#[test]
fn after_a_bump_is_acknowledged_no_gateway_with_a_lease_takes_a_stamp_from_before_for_current() {
    let mut all = Seen::default();
    for seed in 0..120 {
        let seen = World::new(seed).run(30_000);
        all.acknowledged += seen.acknowledged;
        all.lapsed += seen.lapsed;
        all.refused += seen.refused;
        all.leases += seen.leases;
        all.current += seen.current;
        all.outdated += seen.outdated;
        all.gaps += seen.gaps;
        all.steps += seen.steps;
        all.frozen += seen.frozen;
    }
    let counts =
        [all.acknowledged, all.lapsed, all.refused, all.leases, all.current, all.outdated, all.gaps, all.steps];
    assert!(counts.iter().all(|count| *count > 100), "not everything happened: {all:?}");
    println!("{all:?}");
}
