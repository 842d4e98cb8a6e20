package audit

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Record is one request that changed something, or was refused, or one login. In JSON,
// empty fields are left out.
type Record struct {
	// Seq orders records; it grows by one with each and survives a restart.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Name is who asked; empty: nobody who is known. A name that no user has is not
	// recorded, because it may be a password in the wrong field.
	Name string `json:"name,omitempty"`
	// Subject is sub of a user of a provider of OpenID Connect, whose name may be that of others.
	Subject string `json:"subject,omitempty"`
	From    string `json:"from"`          // address of the connection
	How     string `json:"how,omitempty"` // token, password, certificate, oidc or pam; session: by one of these before
	// Session is the ID of the session for lists.
	Session string `json:"session,omitempty"`
	Action  Action `json:"action"`
	Method  string `json:"method"`
	Path    string `json:"path"`             // without the query
	Object  string `json:"object,omitempty"` // that the request is about, e.g. "backend/live"
	Status  int    `json:"status"`           // of the answer
	// Revision that the request made; 0: none.
	Revision uint64 `json:"revision,omitempty"`
	// Job of the cluster that the request has begun, or that answers it; empty: none.
	Job string `json:"job,omitempty"`
	// Refusal is the code of the error, e.g. "forbidden"; empty: it was carried out.
	Refusal string `json:"refusal,omitempty"`
	// Suppressed is how many refusals of the same caller, or of unknown callers, were not
	// recorded before this one, because there were too many.
	Suppressed uint64 `json:"suppressed,omitempty"`

	// Proven says that the caller has proved who it is.
	Proven bool `json:"-"`
}

// source is whom a refusal counts for; false: the record is no refusal.
func (r Record) source() (name string, refused bool) {
	if r.Proven {
		return r.Name, r.Refusal != ""
	}
	return "", true
}

// An Action is what kind of thing was asked for.
type Action string

// The actions.
const (
	Login   Action = "login"   // begin a session
	Logout  Action = "logout"  // end one
	Change  Action = "change"  // any other request that changes something
	Export  Action = "export"  // read everything that is configured, as for a backup
	Refused Action = "refused" // a request to read that was refused
)

// maxField bounds a text of a record, in bytes.
const maxField = 256

// bounded is the record with texts of limited length and valid characters.
func (r Record) bounded() Record {
	for _, text := range []*string{&r.Name, &r.Subject, &r.From, &r.How, &r.Session, &r.Method, &r.Path, &r.Object, &r.Job, &r.Refusal} {
		if len(*text) > maxField {
			*text = (*text)[:maxField] + "…"
		}
		if !utf8.ValidString(*text) {
			*text = strings.ToValidUTF8(*text, "?")
		}
	}
	return r
}

// Bounds of Query.Limit.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// A Query selects records, newest first. The zero value asks for the newest DefaultLimit.
type Query struct {
	Name   string    // that a record must have; empty: any
	Job    string    // likewise
	Since  time.Time // excludes records before it; zero: none
	Before uint64    // excludes the record of that Seq and newer ones; 0: none
	Limit  int       // at most MaxLimit; 0: DefaultLimit
}

// match reports whether a record is in the answer. The times of records may be in any
// order: clocks are set.
func (q Query) match(r Record) bool {
	return !r.Time.Before(q.Since) && (q.Before == 0 || r.Seq < q.Before) && (q.Name == "" || r.Name == q.Name) && (q.Job == "" || r.Job == q.Job)
}

func (q Query) size() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}
