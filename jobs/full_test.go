package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/jobs"
)

// A full disk refuses the ends of jobs.
type full struct {
	*disk

	refuses atomic.Bool
	refused atomic.Int32
}

func (d *full) Save(ctx context.Context, docs map[string][]byte, remove []string) error {
	for doc := range maps.Values(docs) {
		if d.refuses.Load() && bytes.Contains(doc, []byte(`"state":"done"`)) {
			d.refused.Add(1)
			return errors.New("no space left on device")
		}
	}
	return d.disk.Save(ctx, docs, remove)
}

// A job that has ended while the disk was full has ended: nobody goes on with it, the others hear of
// it, the same key is not carried out again, and its end is on disk once there is room.
func TestAJobEndsWhileTheDiskIsFull(t *testing.T) {
	c := newTwo(t)
	small := &full{disk: &disk{docs: map[string][]byte{}}}
	small.refuses.Store(true)
	n1, stop := c.start(t, "n1", small)
	n2, _ := c.start(t, "n2", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	standby := cluster.Action{Kind: cluster.Standby, Node: "n3", Wait: time.Minute}
	order := cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("standby n3")}
	_, j, err := n1.Do(ctx, standby, order)
	if err != nil || j.State != cluster.JobDone {
		t.Fatalf("%+v, %v", j, err)
	}
	after := c.epoch(t)
	testkit.Eventually(t, time.Minute, func() error { // the ends are tried again
		if small.refused.Load() < 3 {
			return errors.New("nobody tries again")
		}
		return nil
	})
	for name, n := range map[string]*jobs.Runner{"n1": n1, "n2": n2} {
		if now, err := n.Job(ctx, j.ID); err != nil || now.State != cluster.JobDone {
			t.Errorf("on %s: %+v, %v", name, now, err)
		}
		if _, again, err := n.Do(ctx, standby, order); err != nil || again.Attempts != 1 || again.Node != "n1" {
			t.Errorf("again on %s: %+v, %v", name, again, err)
		}
	}
	if now := c.epoch(t); now != after {
		t.Errorf("the CIB has version %v, expected %v", now, after)
	}
	small.refuses.Store(false)
	testkit.Eventually(t, time.Minute, func() error {
		docs, err := small.Load(ctx)
		if err == nil && !bytes.Contains(docs[j.ID], []byte(`"state":"done"`)) {
			err = errors.New("the end is not on disk")
		}
		return err
	})
	stop()
	again, _ := c.start(t, "n1", small)
	if now, err := again.Job(ctx, j.ID); err != nil || now.State != cluster.JobDone || now.Attempts != 1 {
		t.Errorf("after a restart: %+v, %v", now, err)
	}
}
