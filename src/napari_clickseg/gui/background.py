"""Background: three threads beside the window, and timers. What comes of a job arrives on the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module

from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot

from napari_clickseg.core.jobs import Job, Outcome, Stop, Worker, start_thread

Receive = Callable[[Outcome], None]


class Ticket:
    """Mutable: one job that was handed over. Its outcome is received once, unless it is cancelled before."""

    def __init__(self, receive: Receive) -> None:
        self._receive: Receive | None = receive
        self.stop = Stop()

    @property
    def busy(self) -> bool:
        """Whether its outcome is still awaited."""
        return self._receive is not None

    @property
    def done(self) -> float:
        """How much of it is done, from 0 to 1; 0 where that is not known."""
        return self.stop.done

    def cancel(self) -> None:
        """Ask it to stop; what comes of it is not received."""
        self.forget()
        self.stop.request()

    def forget(self) -> None:
        """Let it be done, but do not receive what comes of it."""
        self._receive = None

    def receive(self, outcome: Outcome) -> None:
        """Hand the outcome over, on the GUI thread."""
        receive, self._receive = self._receive, None
        if receive is not None:
            receive(outcome)


class Courier(QObject):
    """Carries calls from a worker's thread to the thread that it was made on."""

    _sent = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._sent.connect(self._on_sent, Qt.ConnectionType.QueuedConnection)

    def send(self, call: Callable[[], None]) -> None:
        """Have this called on the GUI thread, soon; where Qt has ended, nobody is there who awaits it."""
        with suppress(RuntimeError):
            self._sent.emit(call)

    @Slot(object)
    def _on_sent(self, call: Callable[[], None]) -> None:
        call()


class Lane:
    """Mutable owner of one thread; it can be opened again after it was closed.

    Parameters
    ----------
    name : str
        Of the thread.
    courier : Courier
    latest : bool
        The newest job wins; else jobs run one after the other.
    finishes : bool
        As of `Worker`.
    """

    def __init__(self, name: str, courier: Courier, latest: bool = False, finishes: bool = False) -> None:
        self._name = name
        self._courier = courier
        self._latest, self._finishes = latest, finishes
        self._worker: Worker | None = None
        self._tickets: list[Ticket] = []

    @property
    def busy(self) -> bool:
        """Whether any outcome is still awaited."""
        self._tickets = [ticket for ticket in self._tickets if ticket.busy]
        return bool(self._tickets)

    @property
    def worker(self) -> Worker:
        """The thread, for work whose outcome nobody awaits.

        Raises
        ------
        RuntimeError
            While closed.
        """
        if self._worker is None:
            raise RuntimeError(f"The thread {self._name!r} is closed; open it first.")
        return self._worker

    def open(self) -> None:
        """Start the thread."""
        self._worker = Worker(self._name, self._latest, self._finishes)

    def submit(self, job: Job, receive: Receive, first: bool = False) -> Ticket:
        """Run `job(stop)` when its turn comes; the outcome is received on the GUI thread.

        Raises
        ------
        RuntimeError
            While closed.
        """
        worker = self.worker
        if self._latest:
            self.cancel()
        ticket, courier = Ticket(receive), self._courier
        self._tickets = [one for one in self._tickets if one.busy]
        self._tickets.append(ticket)
        ticket.stop = worker.submit(job, lambda outcome: courier.send(lambda: ticket.receive(outcome)), first=first)
        return ticket

    def cancel(self) -> None:
        """Wait for nothing any more; ask what runs to stop."""
        tickets, self._tickets = self._tickets, []
        for ticket in tickets:
            ticket.cancel()

    def close(self, finish: bool = False) -> None:
        """Receive nothing any more and let the thread end by itself: a window that closes waits for nobody.

        Parameters
        ----------
        finish : bool
            What was handed over is done nevertheless, as files are written to their end.
        """
        tickets, self._tickets = self._tickets, []
        for ticket in tickets:
            if finish:
                ticket.forget()
            else:
                ticket.cancel()
        if self._worker is not None:
            self._worker.close(finish)
            self._worker = None


class Background:
    """Mutable owner of the three threads of a panel.

    Attributes
    ----------
    answers : Lane
        Answers clicks; the newest question wins.
    files : Lane
        Files and journals, one after the other; nothing is dropped.
    long : Lane
        What takes its time, one at a time: propagation, whole frames, corrections of many frames.
    """

    def __init__(self) -> None:
        self.courier = Courier()
        self.answers = Lane("clickseg-answers", self.courier, latest=True)
        self.files = Lane("clickseg-files", self.courier, finishes=True)
        self.long = Lane("clickseg-long", self.courier)

    def open(self) -> None:
        """Start the threads."""
        for lane in (self.answers, self.files, self.long):
            lane.open()

    def close(self) -> None:
        """End the threads, files last; nothing is received any more, and nothing is waited for."""
        self.answers.close()
        self.long.close()
        self.files.close(finish=True)

    def imported(self, modules: Iterable[str], call: Callable[[], None]) -> None:
        """Import these on a thread of their own, as far as they are installed; then call this on the GUI thread."""

        def job() -> None:
            for module in modules:
                with suppress(ImportError):
                    import_module(module)
            self.courier.send(call)

        start_thread(job, "clickseg-imports")

    def later(self, milliseconds: int, call: Callable[[], None]) -> None:
        """Call this on the GUI thread after a while; 0: once the events at hand are done with."""
        QTimer.singleShot(milliseconds, call)
