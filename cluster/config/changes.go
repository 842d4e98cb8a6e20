package config

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// MaxEdits is how many edits one change may have.
const MaxEdits = 500

// editBody is an edit as JSON.
type editBody struct {
	Method      string          `json:"method"`
	Path        string          `json:"path"`
	Body        json.RawMessage `json:"body"`
	IfMatch     string          `json:"ifMatch"`
	IfNoneMatch string          `json:"ifNoneMatch"`
	Cascade     bool            `json:"cascade"`
}

// ParseEdits reads the document of a change:
//
//	{"edits": [{"method": "PUT", "path": "/cluster/config/primitives/vip", "body": {…}},
//	           {"method": "POST", "path": "/cluster/config/primitives/a/rename", "body": {"to": "b"}}]}
//
// prefix is what paths begin with, and may be left out. The error is an *lb.InvalidError.
func ParseEdits(data []byte, prefix string) ([]Edit, error) {
	var in struct {
		Edits []editBody `json:"edits"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return nil, err
	}
	var fe lb.FieldErrors
	if len(in.Edits) == 0 || len(in.Edits) > MaxEdits {
		fe.Add("edits", "has "+strconv.Itoa(len(in.Edits))+" edits", "1 to "+strconv.Itoa(MaxEdits))
		return nil, fe.Err()
	}
	out := make([]Edit, len(in.Edits))
	for i, b := range in.Edits {
		out[i] = b.edit(&fe, "edits["+strconv.Itoa(i)+"]", prefix)
	}
	return out, fe.Err()
}

func (b editBody) edit(fe *lb.FieldErrors, at, prefix string) Edit {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(b.Path, prefix), "/"), "/")
	e := Edit{Op: strings.ToUpper(b.Method), Body: b.Body, IfNone: b.IfNoneMatch == "*", Cascade: b.Cascade}
	if b.IfMatch != "" {
		e.IfMatch = []string{b.IfMatch}
	}
	if b.IfNoneMatch != "" && !e.IfNone {
		fe.Add(at+".ifNoneMatch", "is "+strconv.Quote(b.IfNoneMatch), "*")
	}
	if len(parts) < 2 || len(parts) > 3 || !Kind(parts[0]).Valid() {
		fe.Add(at+".path", "is "+strconv.Quote(b.Path), prefix+"/KIND/ID")
		return e
	}
	id, err := url.PathUnescape(parts[1])
	if err != nil || id == "" {
		fe.Add(at+".path", "is "+strconv.Quote(b.Path), prefix+"/KIND/ID")
	}
	e.Kind, e.ID = Kind(parts[0]), id
	switch {
	case len(parts) == 2 && (e.Op == Put || e.Op == Patch) && len(b.Body) == 0:
		fe.Add(at+".body", "is missing", "the object")
	case len(parts) == 2 && (e.Op == Put || e.Op == Patch || e.Op == Delete):
	case len(parts) == 3 && e.Op == "POST" && (parts[2] == Rename || parts[2] == Copy):
		e.Op = parts[2]
		if e.To, err = ParseTo(b.Body); err != nil {
			fe.Add(at+".body", "has no id", `{"to": "ID"}`)
		}
	default:
		fe.Add(at+".method", "is "+strconv.Quote(b.Method)+" of "+strconv.Quote(b.Path), "PUT, PATCH, DELETE of an object, or POST of its rename or copy")
	}
	return e
}

// ParseTo reads the body of a Rename or Copy: {"to": "ID"}.
func ParseTo(data []byte) (string, error) {
	var body struct {
		To string `json:"to"`
	}
	err := strictjson.Decode(data, &body)
	return body.To, err
}
