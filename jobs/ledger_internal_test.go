package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// A fullDisk keeps documents, unless it is full.
type fullDisk struct {
	mu     sync.Mutex
	isFull bool
	docs   map[string][]byte
}

func (d *fullDisk) Save(_ context.Context, docs map[string][]byte, remove []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isFull {
		return errors.New("no space left on device")
	}
	maps.Copy(d.docs, docs)
	for _, id := range remove {
		delete(d.docs, id)
	}
	return nil
}

func (d *fullDisk) Load(context.Context) (map[string][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.docs), nil
}

func (d *fullDisk) fill(isFull bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isFull = isFull
}

func someJob(id string, state cluster.JobState, version uint64) record {
	return record{Job: cluster.Job{ID: strings.Repeat(id, 20), Kind: cluster.JobConfigure, State: state, Node: "n1", Begun: time.Now()}, Version: version}
}

func told(t *testing.T, seq uint64, list ...record) message {
	t.Helper()
	m := message{Boot: "b1", Beat: seq, Seq: seq}
	for _, rec := range list {
		doc, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		m.Jobs = append(m.Jobs, doc)
	}
	return m
}

// A node acknowledges jobs of another one when they are on disk: if the disk was full, at the next look
// at the same message.
func TestJobsAreAcknowledgedWhenTheyAreOnDisk(t *testing.T) {
	t.Parallel()
	disk, log := &fullDisk{docs: map[string][]byte{}}, &testkit.Log{}
	cfg := Config{Logger: slog.New(slog.NewTextHandler(log, nil)), View: func() cluster.Status { return cluster.Status{Self: "n2"} }}
	l := newLedger(disk, time.Now)
	s := newSharing(cfg, l)
	s.heed = func([]record) {}
	running := someJob("a", cluster.JobRunning, 1)
	s.hear(t.Context(), "n2", "n1", told(t, 1, running))
	if s.acks["n1"] != "b1/1" || disk.docs[running.ID] == nil {
		t.Fatalf("acknowledged %q, on disk %d", s.acks["n1"], len(disk.docs))
	}
	disk.fill(true)
	over := someJob("a", cluster.JobDone, 2)
	over.Begun = running.Begun
	second := someJob("b", cluster.JobRunning, 1)
	for range 3 {
		s.hear(t.Context(), "n2", "n1", told(t, 2, over, second))
		if s.acks["n1"] != "b1/1" {
			t.Fatalf("acknowledged %q what is not on disk", s.acks["n1"])
		}
		if _, known := l.get(second.ID); known || l.job(over.ID).State != cluster.JobRunning {
			t.Error("what is not on disk is known")
		}
	}
	if n := strings.Count(log.String(), "no space left"); n != 1 {
		t.Errorf("%d lines about the same", n)
	}
	disk.fill(false)
	next := l.changed.Next()
	s.hear(t.Context(), "n2", "n1", told(t, 2, over, second))
	select {
	case <-next:
	default:
		t.Error("nobody was woken")
	}
	stored, err := parseRecord(disk.docs[over.ID])
	if err != nil || s.acks["n1"] != "b1/2" || stored.State != cluster.JobDone || l.job(over.ID).State != cluster.JobDone || disk.docs[second.ID] == nil {
		t.Errorf("acknowledged %q, on disk %+v, %v", s.acks["n1"], stored.Job, err)
	}
}

// A job that cannot be canceled on disk is not canceled, and may be again.
func TestCancelIsOnDisk(t *testing.T) {
	t.Parallel()
	disk := &fullDisk{docs: map[string][]byte{}}
	cfg := Config{Logger: slog.New(slog.DiscardHandler), View: func() cluster.Status { return cluster.Status{Self: "n2"} }, Store: disk, Now: time.Now}
	r := New(cfg)
	rec := someJob("a", cluster.JobRunning, 1)
	if err := r.ledger.save(t.Context(), []record{rec}); err != nil {
		t.Fatal(err)
	}
	close(r.ready)
	disk.fill(true)
	if _, err := r.Cancel(t.Context(), rec.ID, "ann"); err == nil || r.ledger.job(rec.ID).CanceledBy != "" {
		t.Errorf("%v, canceled by %q", err, r.ledger.job(rec.ID).CanceledBy)
	}
	disk.fill(false)
	if j, err := r.Cancel(t.Context(), rec.ID, "bob"); err != nil || j.CanceledBy != "bob" {
		t.Errorf("%v, canceled by %q", err, j.CanceledBy)
	}
	if j, err := r.Cancel(t.Context(), rec.ID, "ann"); err != nil || j.CanceledBy != "bob" {
		t.Errorf("%v, canceled by %q", err, j.CanceledBy)
	}
	if stored, err := parseRecord(disk.docs[rec.ID]); err != nil || stored.CanceledBy != "bob" {
		t.Errorf("%v, on disk canceled by %q", err, stored.CanceledBy)
	}
}
