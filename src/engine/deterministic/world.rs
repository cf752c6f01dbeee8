//! The engine as a world that tests step through: the transactions of the ticker and of workers on a real database, in one thread, under a
//! simulated clock.

use super::no_actions::NoActions;
use super::*;
use crate::notify::Delivery;

/// A running workflow run.
pub(super) struct ActiveRun {
    pub(super) run: i64,
    pub(super) run_id: String,
    /// Index of the current step.
    pub(super) position: usize,
    /// How the current step ends; every step but the last succeeds.
    pub(super) life: RunScript,
    pub(super) stopped: Option<Ending>,
}

/// A server without threads, on its own database.
pub(super) struct Stepped {
    pub(super) shared: Arc<Shared>,
    pub(super) ticker: Ticker,
    pub(super) outbox: Outbox,
    pub(super) events: Receiver<Event>,
}

/// The engine, stepped by a test.
pub(super) struct Engine<'a> {
    pub(super) directory: tempfile::TempDir,
    pub(super) id: ScheduleId,
    pub(super) max_buffer: usize,
    pub(super) steps: i32,
    /// The steps recorded as completed, as run and position; they must never be performed again.
    pub(super) completed: BTreeSet<(i64, usize)>,
    pub(super) reserved: usize,
    /// The directory of the zone data; the machine's own if not set.
    pub(super) zones: Option<std::path::PathBuf>,
    pub(super) clock: Arc<SimClock>,
    pub(super) script: Script<'a>,
    /// `None` while the server is down.
    pub(super) server: Option<Stepped>,
    pub(super) active: Vec<ActiveRun>,
    pub(super) happened: Vec<HistoryEvent>,
    /// The messages that the receiver has acknowledged.
    pub(super) delivered: Arc<std::sync::Mutex<Vec<Delivery>>>,
    /// Whether the receiver acknowledges nothing.
    pub(super) receiver_down: Arc<AtomicBool>,
}

/// The panic payload for an error of the failing disk, which ends the server in histories that use one; elsewhere the test fails.
pub(super) struct DiskFailed(pub(super) Error);

/// Unwraps a result; an error of the failing disk unwinds with [`DiskFailed`].
pub(super) fn done<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        // Bypasses the panic hook: this is expected, and frequent.
        Err(e) if failing_vfs::has_failed() => std::panic::resume_unwind(Box::new(DiskFailed(e))),
        Err(e) => panic!("{e}"),
    }
}

impl<'a> Engine<'a> {
    /// Returns a running engine with this schedule.
    pub(super) fn new(initial: &InitialState, script: Script<'a>) -> Self {
        let mut engine = Self::down(initial, script);
        engine.start();
        engine.create(initial);
        engine
    }

    /// Returns an engine that is down, with an empty database.
    pub(super) fn down(initial: &InitialState, script: Script<'a>) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            id: ScheduleId::parse(&initial.id).unwrap(),
            max_buffer: initial.max_buffer,
            steps: initial.steps,
            completed: BTreeSet::new(),
            reserved: initial.reserved,
            zones: None,
            clock: Arc::new(SimClock::at(initial.created)),
            script,
            server: None,
            active: Vec::new(),
            happened: Vec::new(),
            delivered: Arc::default(),
            receiver_down: Arc::default(),
        }
    }

    pub(super) fn create(&mut self, initial: &InitialState) {
        let new = Patch {
            steps: Some((0..initial.steps).map(step).collect()),
            run_timeout: initial.run_timeout.clone(),
            note: Some(initial.state.note.clone()),
            paused: Some(initial.state.paused),
            remaining_actions: initial.state.remaining_actions.map(crate::schedule::Remaining::Only),
            ..patch(&initial.spec, initial.policies, "myid")
        };
        let (id, now) = (self.id.clone(), initial.created);
        self.write(move |w| ops::create(w, &ZoneInfo::of_machine(), &id, &new, (IfExists::Keep, Never::Allow), now));
    }

    pub(super) fn database(&self) -> std::path::PathBuf {
        self.directory.path().join("t.db")
    }

    pub(super) fn open(&self) -> Store {
        done(Store::open(&self.database(), Missing::Create))
    }

    pub(super) fn zone_info(&self) -> ZoneInfo {
        self.zones
            .as_ref()
            .map_or_else(ZoneInfo::of_machine, |directory| ZoneInfo::in_directory(directory))
    }

    pub(super) fn up(&self) -> &Stepped {
        self.server.as_ref().expect("the server is up")
    }

    /// Starts a server as `Server::start` does, but without threads.
    pub(super) fn start(&mut self) {
        let mut store = self.open();
        let now = self.clock.now();
        let catalog = Catalog::new(self.zone_info());
        done(store.write(|w| w.record_server_start(1, now)));
        let (recovered, _) = done(recovery::recover(&mut store, &catalog, now));
        let reader = done(store.reopen());
        let (sender, events) = channel();
        let shared = Arc::new(Shared {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            writer: Writer::inline(store),
            catalog,
            actions: Arc::new(NoActions {
                delivered: Arc::clone(&self.delivered),
                is_down: Arc::clone(&self.receiver_down),
            }),
            queue: Queue::stepped(self.reserved),
            signal: Wakeup::default(),
            pruning: Wakeup::default(),
            outbox: Wakeup::default(),
            has_receivers: AtomicBool::new(false),
            events: sender,
            draining: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            lost_file: AtomicBool::new(false),
            damage: std::sync::Mutex::default(),
            reported: std::sync::Mutex::default(),
            metrics: Arc::default(),
            failed_runs: AtomicU64::new(0),
            unrecorded: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            // No worker thread is ever started: the test takes runs from the queue.
            settings: Settings {
                workers: 0,
                queues: Vec::new(),
                drain_timeout: Duration::ZERO,
                until: Until::Told,
                output_limit: OUTPUT_LIMIT,
                retention: Retention {
                    keep_for: Duration::MAX,
                    keep_runs: 0,
                },
            },
            max_buffer: self.max_buffer,
            started: now,
            database: PathBuf::new(),
        });
        shared.follow(Effects {
            events: recovered,
            ..Effects::default()
        });
        let outbox = Outbox::new(&shared, done(reader.reopen()));
        let ticker = Ticker::new(reader, Arc::clone(&shared));
        self.server = Some(Stepped {
            shared,
            ticker,
            outbox,
            events,
        });
    }

    /// Writes as a command in another process does, whether or not the server is up.
    pub(super) fn write<T: Send + 'static>(&self, change: impl Fn(&Write<'_>) -> Result<T, Error> + Send + 'static) -> T {
        match &self.server {
            Some(up) => done(up.shared.writer.write(change)),
            None => done(self.open().write(change)),
        }
    }

    pub(super) fn read<T>(&self, query: impl FnOnce(&Read<'_>) -> Result<T, Error>) -> T {
        match &self.server {
            Some(up) => done(up.ticker.reader().read(query)),
            None => done(self.open().read(query)),
        }
    }

    /// Ticks and starts ready runs until there is nothing more to do at `now`.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) {
        loop {
            let up = self.server.as_mut().expect("the server is up");
            let progress = done(up.ticker.tick(now));
            self.begin(now);
            if !progress.more && progress.next.is_none_or(|at| at > now) {
                break;
            }
        }
        if done(self.up().ticker.reader().read(|r| r.has_receivers())) {
            self.deliver(now);
        }
    }

    /// Makes all due deliveries. Returns when the next message is due.
    pub(super) fn deliver(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        loop {
            let up = self.server.as_mut().expect("the server is up");
            let (begun, next) = done(up.outbox.pass(Pass::Due, now));
            if begun.is_empty() {
                return next;
            }
            for one in &begun {
                outbox::deliver(&up.shared, one);
            }
            up.outbox.ended();
            self.collect_events(now);
        }
    }

    pub(super) fn begin(&mut self, now: DateTime<Utc>) {
        while let Some(taken) = self.up().shared.queue.take_now() {
            let next = match taken.begun {
                Some(begun) => self.follow(*begun),
                None => self.step(taken.run, None, now),
            };
            match (next, taken.control.requested()) {
                (Next::Perform(attempt), None) => self.perform(&attempt, now),
                // Stopped before the worker has started the attempt.
                (Next::Perform(_), Some(stop)) => self.end(taken.run, AttemptResult::new(stop.ending(), 0), now),
                _ => {}
            }
        }
        self.collect_events(now);
    }

    pub(super) fn perform(&mut self, attempt: &Attempt, now: DateTime<Utc>) {
        let (row, position) = (&attempt.run.row, attempt.run.progress.position);
        assert!(
            !self.completed.contains(&(row.key, position)),
            "{} is performed again",
            row.workflow_id
        );
        let life = (self.script)(&row.workflow_id, now);
        let is_last = position + 1 == attempt.workflow.steps.len();
        let length = (life.ends_at - now) / self.steps;
        self.active.push(ActiveRun {
            run: row.key,
            run_id: row.run_id.clone(),
            position,
            life: RunScript {
                ends_at: now + length,
                status: if is_last { life.status } else { Status::Completed },
                ..life
            },
            stopped: None,
        });
    }

    pub(super) fn step(&self, run: i64, event: Option<run::Event>, now: DateTime<Utc>) -> Next {
        self.step_with(run, event, MayStart::Yes, now)
    }

    pub(super) fn step_with(&self, run: i64, event: Option<run::Event>, may_start: MayStart, now: DateTime<Utc>) -> Next {
        let here = Arc::clone(&self.up().shared);
        let writer = &self.up().shared.writer;
        self.follow(done(
            writer.write(move |w| advance(w, here.terms(), run, event.as_ref(), may_start, now)),
        ))
    }

    fn follow(&self, advanced: AdvanceResult) -> Next {
        self.up().shared.follow(advanced.effects);
        advanced.next
    }

    pub(super) fn stop(&mut self, run_id: &str, stop: run::Stop, now: DateTime<Utc>) {
        if let Some(active) = self.active.iter_mut().find(|active| active.run_id == run_id) {
            let (delay, ending) = match stop {
                run::Stop::Cancel => (active.life.on_cancel, Ending::Canceled),
                run::Stop::Terminate => (active.life.on_terminate, Ending::Terminated),
            };
            active.life.ends_at = active.life.ends_at.min(now + delay);
            active.stopped = Some(ending);
        }
    }

    /// Ends the attempt of a run.
    pub(super) fn end(&mut self, run: i64, result: AttemptResult, now: DateTime<Utc>) {
        match self.step(run, Some(run::Event::AttemptEnded(result)), now) {
            Next::Perform(next) => self.perform(&next, now),
            Next::Nothing | Next::Wait(_) | Next::AwaitBeat(_) | Next::Check(_) => self.up().shared.queue.forget(run),
        }
    }

    /// Returns the workflow id of a time's run.
    pub(super) fn id_of(&self, nominal: DateTime<Utc>) -> String {
        let row = self.read(|r| ops::find(r, &self.id));
        let base = self.read(|r| r.action(row.workflow)).workflow_id;
        workflow_id_at(&base.expect("the workflow has an id"), nominal)
    }

    pub(super) fn close_next(&mut self, by: DateTime<Utc>) -> bool {
        let Some(i) = self.active.iter().position(|g| g.life.ends_at <= by) else {
            return false;
        };
        let run = self.active.remove(i);
        let ending = run.stopped.unwrap_or_else(|| match run.life.status {
            Status::Completed | Status::Running => Ending::Ok,
            Status::Canceled => Ending::Canceled,
            Status::Terminated => Ending::Terminated,
            // The run's time limit decides which of the two it is.
            Status::Failed | Status::TimedOut => Ending::Failed(Failure {
                error_type: ErrorType::NonZeroExit,
                message: "scripted failure".to_owned(),
            }),
        });
        let result = AttemptResult {
            exit_code: Some(0),
            ..AttemptResult::new(ending, 1)
        };
        let succeeded = matches!(result.ending, Ending::Ok);
        self.end(run.run, result, by);
        if succeeded {
            self.completed.insert((run.run, run.position));
        }
        true
    }
}
