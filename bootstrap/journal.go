package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"thalassa/internal/safefile"
	"thalassa/internal/wake"
	"thalassa/services"
)

const (
	maxJournal = 64 << 10
	maxKey     = 4 << 10
	maxConf    = 64 << 10 // of a corosync.conf that is passed on
)

// Actions of a journal.
const (
	actionInit = "init"
	actionJoin = "join"
)

// A record is what this node has done to be in a cluster, and what was there before.
type record struct {
	Action    string   `json:"action"`
	Cluster   string   `json:"cluster"` // empty: a join that knows none yet
	Node      string   `json:"node"`
	Addresses []string `json:"addresses"`
	ID        string   `json:"id,omitempty"` // of the join
	Begun     []string `json:"begun"`        // steps, in their order
	Done      []string `json:"done"`
	Complete  bool     `json:"complete"`
	Leaving   bool     `json:"leaving"`
	// Before has the services as they were.
	Before map[string]services.State `json:"before,omitempty"`
	// Aside: Pacemaker's configuration from before is set aside. Cleared: then the cluster's is gone
	// from this node again, to the folder Kept if it was a member.
	Aside   bool   `json:"aside,omitempty"`
	Cleared bool   `json:"cleared,omitempty"`
	Kept    string `json:"kept,omitempty"`
	// Keys are digests of the keys that this node was to write.
	Keys []string `json:"keys,omitempty"`
	// HadConf: there was a corosync.conf, which is kept beside the new one.
	HadConf bool `json:"hadConf"`
}

// A journal is a record on disk, with the files that belong to it. One process at a time has it.
type journal struct {
	dir  string
	lock *os.File
	record
	exists bool
}

// openJournal opens the journal of this node for one process.
func openJournal(ctx context.Context, dir string) (*journal, error) {
	for range 10 {
		j, err := lockJournal(ctx, dir)
		if j != nil || err != nil {
			return j, err
		}
	}
	return nil, busy("other commands set up the cluster on this node right now")
}

// lockJournal returns none if the process that had the journal has removed its folder meanwhile.
func lockJournal(ctx context.Context, dir string) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		if _, gone := os.Lstat(dir); errors.Is(err, fs.ErrExist) && gone != nil {
			return nil, nil //nolint:nilnil,nilerr // see above
		}
		return nil, fmt.Errorf("making the folder of the journal: %w", err)
	}
	f, err := safefile.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // see above
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder of the journal: %w", err)
	}
	j := &journal{dir: dir, lock: f}
	switch err := j.open(ctx); {
	case errors.Is(err, errRemoved):
		return nil, f.Close()
	case err != nil:
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

var errRemoved = errors.New("the folder of the journal was removed")

// take locks the folder. A process that was killed keeps it until the kernel has ended it, which takes
// a moment on a busy machine.
func (j *journal) take(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		switch err := syscall.Flock(int(j.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("locking the folder of the journal: %w", err)
		}
		if wake.Pause(limited, 250*time.Millisecond) == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return busy("another command sets up the cluster on this node right now")
	}
}

func (j *journal) open(ctx context.Context) error {
	info, err := j.lock.Stat()
	if err != nil {
		return fmt.Errorf("opening the folder of the journal: %w", err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: expected a folder of the user %d with mode 0700", j.dir, os.Geteuid())
	}
	if err := j.take(ctx); err != nil {
		return err
	}
	if now, err := os.Lstat(j.dir); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, info) {
		return errRemoved
	} else if err != nil {
		return err
	}
	data, err := safefile.Read(j.path("journal.json"), maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &j.record)
	}
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	j.exists = true
	return nil
}

// close ends the use of the journal. A folder without one is removed.
func (j *journal) close() {
	_ = os.Remove(j.dir) // fails while it has a file
	// A child between fork and exec may have the descriptor for a moment.
	_ = syscall.Flock(int(j.lock.Fd()), syscall.LOCK_UN)
	_ = j.lock.Close()
}

func (j *journal) path(name string) string { return filepath.Join(j.dir, name) }

// save writes the record to disk.
func (j *journal) save() error {
	data, err := json.MarshalIndent(j.record, "", "  ")
	if err == nil {
		err = safefile.Replace(j.path("journal.json"), append(data, '\n'), nil)
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.exists = true
	return nil
}

// begin notes that a step begins, before it changes anything.
func (j *journal) begin(step string) error {
	if slices.Contains(j.Begun, step) {
		return nil
	}
	j.Begun = append(j.Begun, step)
	return j.save()
}

// finish notes that a step is done.
func (j *journal) finish(step string) error {
	if slices.Contains(j.Done, step) {
		return nil
	}
	j.Done = append(j.Done, step)
	return j.save()
}

// drop forgets a step that was undone.
func (j *journal) drop(step string) error {
	is := func(s string) bool { return s == step }
	j.Begun, j.Done = slices.DeleteFunc(j.Begun, is), slices.DeleteFunc(j.Done, is)
	return j.save()
}

// put stores a file beside the record.
func (j *journal) put(name string, data []byte) error {
	if err := safefile.Replace(j.path(name), data, nil); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	return nil
}

// get reads a file beside the record.
func (j *journal) get(name string, limit int64) ([]byte, error) {
	data, err := safefile.Read(j.path(name), limit)
	if err != nil {
		return nil, fmt.Errorf("reading what is kept of %s: %w", name, err)
	}
	return data, nil
}

// remove forgets everything. The record goes last.
func (j *journal) remove() error {
	var all []error
	for _, name := range []string{fileAdding, fileStash, fileConf, fileKey, "journal.json"} {
		if err := os.Remove(j.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = append(all, err)
		}
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("removing the journal: %w", err)
	}
	j.record, j.exists = record{}, false
	return safefile.Sync(j.dir)
}

// An identity is who a node is for a code. It stays when the join has failed: the inviting node lets
// nobody else in with a code whose key is out.
type identity struct {
	Code []byte `json:"code"` // digest of the code
	ID   string `json:"id"`
}

// idFor is the ID of this node for a code, the same in each attempt.
func (j *journal) idFor(c code) (id string, isNew bool, err error) {
	var known identity
	data, err := safefile.Read(j.path(fileIdentity), maxHello)
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	sum := sha256.Sum256([]byte(c.String()))
	if err == nil && bytes.Equal(known.Code, sum[:]) {
		return known.ID, false, nil
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	known = identity{Code: sum[:], ID: cmp.Or(j.ID, hex.EncodeToString(random))}
	if data, err = json.Marshal(known); err != nil {
		return "", false, err
	}
	return known.ID, true, j.put(fileIdentity, data)
}

// forgetID forgets the identity after the node has joined.
func (j *journal) forgetID() error {
	if err := os.Remove(j.path(fileIdentity)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the code: %w", err)
	}
	return nil
}

// Files beside the record.
const (
	fileConf     = "corosync.conf" // that this node is to have
	fileKey      = "authkey"       // that this node is to have, until it has it
	fileStash    = "stored"        // a corosync.conf that this member has stored, with the former one
	fileAdding   = "adding"        // the node that is being added to the cluster
	fileIdentity = "identity"      // of this node for a code, until it has joined
)

// An addition is a node that is being added to the cluster.
type addition struct {
	Node   string `json:"node"`
	Former []byte `json:"former"` // corosync.conf without it
}

// adding is the node that an earlier run was adding when it ended; nil: none.
func (j *journal) adding() (*addition, error) {
	data, err := safefile.Read(j.path(fileAdding), 2*maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	a := &addition{}
	if err == nil {
		err = json.Unmarshal(data, a)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which node was added: %w", err)
	}
	return a, nil
}

// setAdding notes which node is being added; nil: none.
func (j *journal) setAdding(a *addition) error {
	if a != nil {
		data, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return j.put(fileAdding, data)
	}
	if err := os.Remove(j.path(fileAdding)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting a node that was added: %w", err)
	}
	return safefile.Sync(j.dir)
}

// stash is what an earlier run has stored, and corosync may not have read; empty: nothing.
func (j *journal) stash() (stash, error) {
	var s stash
	data, err := safefile.Read(j.path(fileStash), 4*maxConf)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return stash{}, fmt.Errorf("reading which corosync.conf was stored: %w", err)
	}
	return s, nil
}

// setStash notes what is stored; empty: nothing.
func (j *journal) setStash(s stash) error {
	if s.Stored != nil {
		data, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return j.put(fileStash, data)
	}
	if err := os.Remove(j.path(fileStash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting which corosync.conf was stored: %w", err)
	}
	return safefile.Sync(j.dir)
}
