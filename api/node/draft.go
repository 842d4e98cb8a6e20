package node

import (
	"cmp"
	"strings"
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/stage"
)

// A Draft is a change that is collected before it is carried out.
type Draft struct {
	ID      string    `json:"id"`
	Message string    `json:"message"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`    // when it was begun
	Changed time.Time `json:"changed"` // last
	// Objects are the ids of those that it changes, sorted.
	Objects []string `json:"objects"`
	// Conflicts are those of them that somebody else has changed since the draft did.
	Conflicts []string `json:"conflicts,omitempty"`
}

// NewDraft makes the JSON document of a draft. in is what is configured now.
func NewDraft(d stage.Draft, in lb.Intent) Draft {
	out := Draft{
		ID: d.ID, Message: d.Origin.Message, Author: d.Origin.Author, Time: d.Origin.Time, Changed: d.Changed,
		Objects: make([]string, len(d.Objects)), Conflicts: d.Conflicts(in),
	}
	for i, o := range d.Objects {
		out.Objects[i] = o.ID
	}
	return out
}

// A DraftDifference is what a commit of a draft would do now.
type DraftDifference struct {
	Draft   Draft   `json:"draft"`
	Preview Preview `json:"preview"`
	// Problem says why the draft cannot be committed now; empty: it can. Output is HAProxy's output
	// about it.
	Problem string `json:"problem,omitempty"`
	Output  string `json:"output,omitempty"`
}

// ParseDraft decodes the body of a new draft, which may be empty: its ID, and what it is
// for.
func ParseDraft(body []byte) (id, message string, err error) {
	var in struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	if len(body) > 0 {
		if err := strictjson.Decode(body, &in); err != nil {
			return "", "", err
		}
	}
	var fe lb.FieldErrors
	if in.ID != "" {
		id, err := lb.ParseName(in.ID)
		fe.AddErr("id", cmp.Or(err, id.CheckNew()))
	}
	fe.AddErr("message", lb.CheckMessage(in.Message))
	return in.ID, strings.TrimSpace(in.Message), fe.Err()
}

// ParseDrop decodes the body that names objects of a draft.
func ParseDrop(body []byte) (ids []string, err error) {
	var in struct {
		Objects []string `json:"objects"`
	}
	if err := strictjson.Decode(body, &in); err != nil {
		return nil, err
	}
	var fe lb.FieldErrors
	if len(in.Objects) == 0 {
		fe.Add("objects", "is empty", "ids of objects, each KIND/NAME")
	}
	return in.Objects, fe.Err()
}
