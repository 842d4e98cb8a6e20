package node

import (
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// canaryBody is a canary in a request; lb.CanarySpec documents its fields.
type canaryBody struct {
	Version     string  `json:"version"`
	Steps       []int   `json:"steps"`
	Every       string  `json:"every"`
	AbortOn     *string `json:"abortOn"`
	MinRequests *int64  `json:"minRequests"`
	Wait        string  `json:"wait"`
	Lease       string  `json:"lease"`
}

// ParseCanary decodes and checks the body of a canary of the backend named key.
func ParseCanary(key string, body []byte) (lb.Canary, error) {
	var in canaryBody
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.Canary{}, err
	}
	var fe lb.FieldErrors
	name, err := lb.ParseName(key)
	fe.AddErr("key", err)
	c, err := lb.CanarySpec(in).Parse(name)
	fe.AddErr("", err)
	return c, fe.Err()
}

// A Canary is a deploy in steps with its progress; lb.CanaryState documents its fields.
type Canary struct {
	Backend     string         `json:"backend"` // key
	Service     string         `json:"service"`
	Version     string         `json:"version"`
	From        string         `json:"from"` // the versions that it goes back to
	Steps       []int          `json:"steps"`
	Every       string         `json:"every"` // a duration, as lease
	AbortOn     string         `json:"abortOn"`
	MinRequests int64          `json:"minRequests"`
	Lease       string         `json:"lease,omitempty"`
	Phase       lb.CanaryPhase `json:"phase"`
	Percent     int            `json:"percent"`
	Selection   string         `json:"selection"`
	Author      string         `json:"author,omitempty"`
	Started     time.Time      `json:"started"`
	Began       time.Time      `json:"began,omitzero"` // the measurement of the step
	MeasuredMS  int64          `json:"measuredMs"`
	New         *CanaryFigures `json:"new,omitempty"`
	Old         *CanaryFigures `json:"old,omitempty"`
	History     []CanaryStep   `json:"history"`
	Reason      string         `json:"reason,omitempty"`
	Problem     string         `json:"problem,omitempty"`
	Now         string         `json:"now,omitempty"`
	Pending     string         `json:"pending,omitempty"`
	Ended       time.Time      `json:"ended,omitzero"`
}

// CanaryFigures are the statistics of one side of a canary in a step.
type CanaryFigures struct {
	Requests       int64   `json:"requests"`
	Rate           float64 `json:"rate"` // requests per second
	ServerErrors   int64   `json:"5xx"`
	Errors         int64   `json:"errors"`
	ResponseTimeMS float64 `json:"responseTimeMs"` // mean
}

// A CanaryStep is a step that was in effect.
type CanaryStep struct {
	Percent    int            `json:"percent"`
	Selection  string         `json:"selection"`
	Time       time.Time      `json:"time"`
	Path       string         `json:"path,omitempty"`
	DurationMS float64        `json:"durationMs,omitempty"`
	Revision   uint64         `json:"revision,omitempty"`
	Members    int            `json:"members,omitempty"`
	MeasuredMS int64          `json:"measuredMs,omitempty"`
	New        *CanaryFigures `json:"new,omitempty"`
	Old        *CanaryFigures `json:"old,omitempty"`
	Judged     bool           `json:"judged,omitempty"`
}

// NewCanary makes the JSON document of a canary.
func NewCanary(s lb.CanaryState) Canary {
	out := Canary{
		Backend: string(s.Backend), Service: string(s.Service), Version: string(s.Version), From: selectionOf(s.Others),
		Steps: s.Steps, Every: s.Every.String(), AbortOn: lb.FormatCanaryConditions(s.AbortOn), MinRequests: s.MinRequests,
		Phase: s.Phase, Percent: s.Percent, Selection: s.Selection, Author: s.Origin.Author, Started: s.Origin.Time,
		Began: s.Began, MeasuredMS: s.Measured.Milliseconds(), New: newCanaryFigures(s.New, s.Measured), Old: newCanaryFigures(s.Old, s.Measured),
		History: make([]CanaryStep, len(s.History)), Reason: s.Reason, Problem: s.Problem, Now: s.Now, Pending: s.Pending, Ended: s.Ended,
	}
	if s.Lease > 0 {
		out.Lease = s.Lease.String()
	}
	for i, h := range s.History {
		out.History[i] = CanaryStep{
			Percent: h.Percent, Selection: h.Selection, Time: h.Time, Path: h.Path, DurationMS: float64(h.Duration.Microseconds()) / 1000,
			Revision: h.Revision, Members: h.Members, MeasuredMS: h.Measured.Milliseconds(),
			New: newCanaryFigures(h.New, h.Measured), Old: newCanaryFigures(h.Old, h.Measured), Judged: h.Judged,
		}
	}
	return out
}

// NewCanaries makes the list of the canaries that are under way.
func NewCanaries(list []lb.CanaryState) []Canary {
	var out []Canary
	for _, s := range list {
		if !s.Phase.IsEnd() {
			out = append(out, NewCanary(s))
		}
	}
	return out
}

// selectionOf is a split as a text: one version stands alone.
func selectionOf(split lb.Split) string {
	if len(split) == 1 {
		return string(split[0].Version)
	}
	return split.String()
}

func newCanaryFigures(f *lb.CanaryFigures, measured time.Duration) *CanaryFigures {
	if f == nil {
		return nil
	}
	out := CanaryFigures{Requests: f.Requests, ServerErrors: f.ServerErrors, Errors: f.Errors, ResponseTimeMS: hundredths(f.ResponseTimeMS)}
	if measured > 0 {
		out.Rate = hundredths(float64(f.Requests) / measured.Seconds())
	}
	return &out
}

func hundredths(v float64) float64 { return float64(int64(v*100+0.5)) / 100 }

// String gives "64 requests, 12.5% 5xx, 0% errors, 3 ms".
func (f CanaryFigures) String() string {
	return lb.CanaryFigures{Requests: f.Requests, ServerErrors: f.ServerErrors, Errors: f.Errors, ResponseTimeMS: f.ResponseTimeMS}.String()
}
