package store

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// canaryBucket holds the last canary of each backend: key → canaryDoc. A file may lack it;
// what is damaged in it is no reason not to open the file.
const canaryBucket = "canaries"

// SaveCanary stores a canary in place of the former one of its backend.
func (d *DB) SaveCanary(ctx context.Context, s lb.CanaryState) error {
	return d.update(ctx, "storing a canary", func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists([]byte(canaryBucket)); err != nil {
			return err
		}
		return write(tx, canaryBucket, []byte(s.Backend), canaryDocument(s))
	})
}

// DeleteCanary deletes the canary of a backend, if there is one.
func (d *DB) DeleteCanary(ctx context.Context, backend lb.Name) error {
	return d.update(ctx, "forgetting a canary", func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(canaryBucket))
		if bucket == nil {
			return nil
		}
		return bucket.Delete([]byte(backend))
	})
}

// Canaries lists what SaveCanary has stored. One that cannot be read is logged and left
// out: the backend stays as it is.
func (d *DB) Canaries(ctx context.Context) ([]lb.CanaryState, error) {
	var out []lb.CanaryState
	err := d.view(ctx, "reading the canaries", func(tx *bbolt.Tx) error {
		return eachDoc(tx, canaryBucket, func(key []byte, doc canaryDoc, err error) error {
			var s lb.CanaryState
			if err == nil {
				s, err = doc.state(lb.Name(key))
			}
			if err != nil {
				d.logger.ErrorContext(ctx, "canary not readable, its backend stays as it is", "backend", string(key), "error", err)
				return nil
			}
			out = append(out, s)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// canaryDoc is a stored canary.
type canaryDoc struct {
	Version     lb.Version      `json:"version"`
	Steps       []int           `json:"steps"`
	Every       time.Duration   `json:"every"` // nanoseconds, as all durations here
	AbortOn     string          `json:"abortOn"`
	MinRequests int64           `json:"minRequests"`
	Lease       time.Duration   `json:"lease,omitempty"`
	Author      string          `json:"author,omitempty"`
	Cause       string          `json:"cause,omitempty"`
	Time        time.Time       `json:"time,omitzero"`
	Phase       lb.CanaryPhase  `json:"phase"`
	Service     lb.Name         `json:"service"`
	Others      []shareDoc      `json:"others"`
	Percent     int             `json:"percent"`
	Selection   string          `json:"selection"`
	Tag         string          `json:"tag"`
	Next        string          `json:"next,omitempty"`
	Began       time.Time       `json:"began,omitzero"`
	Measured    time.Duration   `json:"measured,omitempty"`
	New         *figuresDoc     `json:"new,omitempty"`
	Old         *figuresDoc     `json:"old,omitempty"`
	History     []canaryStepDoc `json:"history"`
	Reason      string          `json:"reason,omitempty"`
	Problem     string          `json:"problem,omitempty"`
	Now         string          `json:"now,omitempty"`
	Pending     string          `json:"pending,omitempty"`
	Ended       time.Time       `json:"ended,omitzero"`
}

type shareDoc struct {
	Version lb.Version `json:"version"`
	Weight  int        `json:"weight"`
}

type figuresDoc struct {
	Requests       int64   `json:"requests"`
	ServerErrors   int64   `json:"5xx"`
	Errors         int64   `json:"errors"`
	Responses      int64   `json:"responses"`
	ResponseTimeMS float64 `json:"responseTimeMs"`
}

type canaryStepDoc struct {
	Percent   int           `json:"percent"`
	Selection string        `json:"selection"`
	Time      time.Time     `json:"time"`
	Path      string        `json:"path,omitempty"`
	Duration  time.Duration `json:"duration"`
	Revision  uint64        `json:"revision,omitempty"`
	Members   int           `json:"members"`
	Measured  time.Duration `json:"measured,omitempty"`
	New       *figuresDoc   `json:"new,omitempty"`
	Old       *figuresDoc   `json:"old,omitempty"`
	Judged    bool          `json:"judged,omitempty"`
}

func canaryDocument(s lb.CanaryState) canaryDoc {
	doc := canaryDoc{
		Version: s.Version, Steps: s.Steps, Every: s.Every, AbortOn: lb.FormatCanaryConditions(s.AbortOn), MinRequests: s.MinRequests,
		Lease: s.Lease, Author: s.Origin.Author, Cause: s.Origin.Cause, Time: s.Origin.Time,
		Phase: s.Phase, Service: s.Service, Percent: s.Percent, Selection: s.Selection, Tag: s.Tag, Next: s.Next,
		Began: s.Began, Measured: s.Measured, New: (*figuresDoc)(s.New), Old: (*figuresDoc)(s.Old),
		Reason: s.Reason, Problem: s.Problem, Now: s.Now, Pending: s.Pending, Ended: s.Ended,
		Others: make([]shareDoc, len(s.Others)), History: make([]canaryStepDoc, len(s.History)),
	}
	for i, share := range s.Others {
		doc.Others[i] = shareDoc(share)
	}
	for i, h := range s.History {
		doc.History[i] = canaryStepDoc{
			h.Percent, h.Selection, h.Time, h.Path, h.Duration, h.Revision, h.Members, h.Measured,
			(*figuresDoc)(h.New), (*figuresDoc)(h.Old), h.Judged,
		}
	}
	return doc
}

// state is the canary of a backend, checked again, since the agent acts on it.
func (doc canaryDoc) state(backend lb.Name) (lb.CanaryState, error) {
	every, lease := doc.Every.String(), ""
	if doc.Lease > 0 {
		lease = doc.Lease.String()
	}
	c, err := lb.CanarySpec{
		Version: string(doc.Version), Steps: doc.Steps, Every: every, AbortOn: &doc.AbortOn, MinRequests: &doc.MinRequests, Lease: lease,
	}.Parse(backend)
	if err != nil {
		return lb.CanaryState{}, err
	}
	c.Origin = lb.Origin{Author: doc.Author, Cause: doc.Cause, Time: doc.Time}
	s := lb.CanaryState{
		Canary: c, Phase: doc.Phase, Service: doc.Service, Percent: doc.Percent, Selection: doc.Selection, Tag: doc.Tag, Next: doc.Next,
		Began: doc.Began, Measured: doc.Measured, New: (*lb.CanaryFigures)(doc.New), Old: (*lb.CanaryFigures)(doc.Old),
		Reason: doc.Reason, Problem: doc.Problem, Now: doc.Now, Pending: doc.Pending, Ended: doc.Ended,
	}
	if len(doc.Others) > 0 {
		shares := make([]lb.Share, len(doc.Others))
		for i, share := range doc.Others {
			shares[i] = lb.Share(share)
		}
		if s.Others, err = lb.NewSplit(shares...); err != nil {
			return lb.CanaryState{}, err
		}
	}
	for _, h := range doc.History {
		s.History = append(s.History, lb.CanaryStep{
			Percent: h.Percent, Selection: h.Selection, Time: h.Time, Path: h.Path, Duration: h.Duration, Revision: h.Revision,
			Members: h.Members, Measured: h.Measured, New: (*lb.CanaryFigures)(h.New), Old: (*lb.CanaryFigures)(h.Old), Judged: h.Judged,
		})
	}
	return s, nil
}
