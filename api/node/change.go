package node

import (
	"encoding/json"
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// switchBody is an A/B switch in a request.
type switchBody struct {
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	Versions json.RawMessage `json:"versions"`
	Force    bool            `json:"force"`
	Wait     string          `json:"wait"` // a duration such as "30s"
}

// ParseSwitch decodes and checks the body of an A/B switch of the backend named key:
// version or versions, and optionally name (of the Consul service), force and wait.
func ParseSwitch(key string, body []byte) (lb.Switch, error) {
	var in switchBody
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.Switch{}, err
	}
	var fe lb.FieldErrors
	name, err := lb.ParseName(key)
	fe.AddErr("key", err)
	s, err := lb.SwitchSpec{
		Service: in.Name, Version: in.Version, Versions: splitSpec(in.Versions), Force: in.Force, Wait: in.Wait,
	}.Parse(name)
	fe.AddErr("", err)
	return s, fe.Err()
}

// Applied is what became of an accepted change; lb.Applied documents its fields.
type Applied struct {
	Applied    bool    `json:"applied"`
	Path       string  `json:"path"` // "runtime", "reload" or "none"
	Reason     string  `json:"reason,omitempty"`
	Revision   uint64  `json:"revision"`
	DurationMS float64 `json:"durationMs"` // milliseconds with fraction
	// Draft is the ID of the draft that has the change.
	Draft string `json:"draft,omitempty"`
	// Warnings are sentences, e.g. that a backend has no member.
	Warnings []string `json:"warnings,omitempty"`
}

// NewApplied makes the JSON document of a change.
func NewApplied(a lb.Applied) Applied {
	return Applied{
		Applied: a.Applied, Path: a.Path, Reason: a.Reason, Revision: a.Revision,
		DurationMS: float64(a.Duration.Microseconds()) / 1000, Draft: a.Draft, Warnings: a.Warnings,
	}
}

// A Revision is one accepted change in the history.
type Revision struct {
	Number  uint64    `json:"number"`
	Author  string    `json:"author"`
	Cause   string    `json:"cause"` // e.g. "PUT /backends/live"
	Message string    `json:"message,omitempty"`
	Time    time.Time `json:"time"`
	Changes []Change  `json:"changes"`
}

// A Change is the change of one object by a revision. Before is null for an object that it
// created, After for one that it removed.
type Change struct {
	ID     string          `json:"id"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// A Difference is what has changed from one revision to another.
type Difference struct {
	From    uint64   `json:"from"`
	To      uint64   `json:"to"`
	Changes []Change `json:"changes"`
	// Config is the difference of haproxy.cfg in the unified format; nil: the texts are not
	// recorded any more, or a revision was never in effect.
	Config *string `json:"config"`
}

// NewRevision makes the JSON document of a revision.
func NewRevision(r lb.Revision) (Revision, error) {
	changes, err := NewChanges(r.Changes)
	return Revision{Number: r.Number, Author: r.Author, Cause: r.Cause, Message: r.Message, Time: r.Time, Changes: changes}, err
}

// definitionOf is the document of a definition; null for none.
func definitionOf(o lb.Object) (json.RawMessage, error) {
	return json.Marshal(lb.Match(o,
		func(f lb.Frontend) any { return NewFrontend(f) },
		func(b lb.Backend) any { return NewBackendDefinition(b) },
		func(s lb.Section) any { return NewSection(s) },
		func(c lb.Certificate) any { return newCertificate(c, nil) },
	))
}

// A Recorded is a haproxy.cfg that was in effect; lb.Recorded documents its fields.
type Recorded struct {
	Number      uint64    `json:"number"`
	Time        time.Time `json:"time"`
	Revision    uint64    `json:"revision"`
	Cause       string    `json:"cause,omitempty"`
	Author      string    `json:"author,omitempty"`
	Path        string    `json:"path"` // "runtime", "reload" or "none"
	Fingerprint string    `json:"fingerprint"`
	Size        int       `json:"size"` // of the text in bytes
}

// NewRecorded makes the JSON document of a recorded haproxy.cfg, without its text.
func NewRecorded(r lb.Recorded) Recorded {
	return Recorded{
		Number: r.Number, Time: r.Time, Revision: r.Revision, Cause: r.Cause, Author: r.Author, Path: r.Path,
		Fingerprint: r.Fingerprint, Size: r.Size,
	}
}
