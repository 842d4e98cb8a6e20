package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"

	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// Options of Open; the zero value is ready.
type Options struct {
	// Timeout is how long Open waits for another process that has the file open
	// (2 s).
	Timeout time.Duration
	// MaxRevisions is the number of newest revisions that are kept (10,000).
	MaxRevisions int
	// MaxRevisionBytes bounds the size of them all (256 MiB); the newest is kept in any case.
	MaxRevisionBytes int64
	// MaxEvents is the number of newest events that are kept (10,000).
	MaxEvents int
	// MaxConfigs is the number of newest recorded configurations that are kept (200). Together they
	// have at most 32 MiB, compressed.
	MaxConfigs int
	// Now dates a damaged file that is set aside (time.Now).
	Now func() time.Time
	// Logger (discards).
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	if o.MaxRevisions <= 0 {
		o.MaxRevisions = 10_000
	}
	if o.MaxRevisionBytes <= 0 {
		o.MaxRevisionBytes = 256 << 20
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = 10_000
	}
	if o.MaxConfigs <= 0 {
		o.MaxConfigs = 200
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A DB is an open store. All methods may be called concurrently. Each is one
// transaction: what a method has done when it returns nil survives a crash of
// the program or of the machine, and what it had not finished by then never
// happened. ctx is checked before the transaction, which is not interrupted.
type DB struct {
	bolt       *bbolt.DB
	file       openFile
	history    historyBound
	maxEvents  int
	maxConfigs int
	logger     *slog.Logger

	committed wake.Signal
	newest    atomic.Pointer[lb.Intent] // the stored intent, nil: read it
	saved     savedServices
	writing   chan struct{} // one slot: who fills it may change the file or close it
	closed    chan struct{} // by Close
	closing   atomic.Bool
	writes    writeState
	patience  *safefile.Patience // of those who only look
	// broken is why the file cannot be used any more; see guarded.
	broken atomic.Pointer[brokenError]
}

// Open opens the store at path, or makes a new one where there is none; the
// directory is made, too. Errors: *LockedError when another process has it open;
// *SchemaError and *VersionError for one of another version; *DamagedError when the file cannot be trusted, which has then
// been set aside, so that opening the same path again makes a new store. After
// any other error (permissions, a disk that cannot be read) nothing has changed.
func Open(path string, o Options) (*DB, error) {
	o = o.withDefaults()
	bolt, file, err := open(path, o)
	if err != nil {
		return nil, err
	}
	return &DB{
		bolt: bolt, file: openFile{file, path}, history: historyBound{o.MaxRevisions, o.MaxRevisionBytes}, maxEvents: o.MaxEvents, maxConfigs: o.MaxConfigs, logger: o.Logger,
		writing: make(chan struct{}, 1), closed: make(chan struct{}), writes: writeState{disk: safefile.NewHealth(path)}, patience: safefile.NewPatience(slowAfter),
	}, nil
}

// Close waits for transactions under way and closes the file. Later calls, and
// those that wait, fail with an error that is os.ErrClosed; closing again does
// nothing.
func (d *DB) Close() error {
	if d.closing.Swap(true) {
		return nil
	}
	close(d.closed)
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	if d.broken.Load() != nil {
		return d.file.Close() // bolt may hold its own locks for ever
	}
	if err := d.bolt.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// usable reports whether the file may still be asked.
func (d *DB) usable() bool { return !d.closing.Load() && d.broken.Load() == nil }

// view runs fn on the newest state.
func (d *DB) view(ctx context.Context, doing string, fn func(*bbolt.Tx) error) error {
	return d.guarded(ctx, doing, func() error { return d.bolt.View(fn) })
}

// update runs fn and stores what it changed, or nothing when it fails.
func (d *DB) update(ctx context.Context, doing string, fn func(*bbolt.Tx) error) error {
	select {
	case d.writing <- struct{}{}:
		defer func() { <-d.writing }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	return d.guarded(ctx, doing, func() error {
		done, refused := d.writes.begin(), error(nil)
		err := d.bolt.Update(func(tx *bbolt.Tx) error {
			if refused = d.file.displaced(); refused == nil { // it would be gone with the next start
				refused = fn(tx)
			}
			return refused
		})
		if refused != nil {
			d.writes.end()
			return err
		}
		done(err)
		return err
	})
}

// A brokenError is a file that failed while it was in use.
type brokenError struct {
	cause any // of the panic
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("the file of the store failed while it was in use, which only a restart can mend: %v", e.cause)
}

// guarded runs a transaction. bbolt reads through a memory map, where a disk
// that fails is a fault, and panics when pages contradict each other: the
// program must survive both, and HAProxy's configuration with it. After that
// the store answers everything with the same error; the next Open examines the
// file.
func (d *DB) guarded(ctx context.Context, doing string, transaction func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if broken := d.broken.Load(); broken != nil {
		return fmt.Errorf("%s: %w", doing, broken)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			broken := &brokenError{cause: cause}
			d.broken.Store(broken)
			d.logger.ErrorContext(ctx, "the store failed while in use", "error", broken, "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: %w", doing, broken)
		}
	}()
	if err := transaction(); err != nil {
		if errors.Is(err, boltErrors.ErrDatabaseNotOpen) {
			err = errClosed
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

var errClosed = fmt.Errorf("the store is closed: %w", os.ErrClosed)
