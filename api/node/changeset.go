package node

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/stage"
)

// The methods of edits.
const (
	methodPut    = "PUT"
	methodPost   = "POST"
	methodDelete = "DELETE"
)

// changesetBody is a changeset as the API takes it.
type changesetBody struct {
	Message string     `json:"message"`
	Edits   []editBody `json:"edits"`
}

// editBody is one edit of a changeset: a request that changes a frontend or a backend.
type editBody struct {
	Method string `json:"method"` // "PUT", "POST" or "DELETE"
	Path   string `json:"path"`   // "/frontends/KEY", "/backends/KEY" or "/certificates/KEY"
	// Body is that of the request; absent for DELETE.
	Body json.RawMessage `json:"body"`
	// IfMatch is an entity tag that the object must have, or "*" for any.
	IfMatch string `json:"ifMatch"`
	// IfNoneMatch is "*" where the object must not exist yet.
	IfNoneMatch string `json:"ifNoneMatch"`
}

// ParseChangeset decodes and checks a changeset. The bad fields of an edit are named
// "edits[3].body.bind" and the like.
func ParseChangeset(data []byte) (stage.Changeset, error) {
	var in changesetBody
	if err := strictjson.Decode(data, &in); err != nil {
		return stage.Changeset{}, err
	}
	out := stage.Changeset{Origin: lb.Origin{Message: strings.TrimSpace(in.Message)}}
	var fe lb.FieldErrors
	for i, edit := range in.Edits {
		e, err := edit.parse("edits[" + strconv.Itoa(i) + "]")
		fe.AddErr("", err)
		out.Edits = append(out.Edits, e)
	}
	fe.AddErr("", out.Check())
	return out, fe.Err()
}

// parse checks one edit; its fields are named below path.
func (in editBody) parse(path string) (lb.Edit, error) {
	kind, key, err := in.target()
	if err != nil {
		return lb.Edit{}, below(path+".path", err)
	}
	e, err := in.change(kind, key)
	if err != nil {
		return e, below(path, err)
	}
	switch in.IfNoneMatch {
	case "":
	case "*":
		e.IfNoneMatch = true
	default:
		return e, below(path+".ifNoneMatch", lb.FieldError{Problem: strconv.Quote(in.IfNoneMatch) + " is not a condition of a change", Expected: "*"})
	}
	if in.IfMatch != "" {
		e.IfMatch = []string{in.IfMatch}
	}
	return e, nil
}

// target is the kind, "frontends" or "backends", and the key of the object that the path
// names.
func (in editBody) target() (kind, key string, err error) {
	kind, key, ok := strings.Cut(strings.TrimPrefix(in.Path, "/"), "/")
	decoded, escapeErr := url.PathUnescape(key)
	if !ok || escapeErr != nil || kind != "frontends" && kind != "backends" && kind != "certificates" || strings.ContainsAny(key, "/?") {
		return "", "", lb.FieldError{
			Problem: strconv.Quote(in.Path) + " is not the path of a frontend, backend or certificate", Expected: "/frontends/KEY, /backends/KEY or /certificates/KEY",
		}
	}
	return kind, decoded, nil
}

// change is the edit without its conditions.
func (in editBody) change(kind, key string) (lb.Edit, error) {
	if strictjson.IsAbsent(in.Body) && in.Method != methodDelete {
		return lb.Edit{}, lb.FieldError{Path: "body", Problem: "is missing", Expected: "the body of the request"}
	}
	switch {
	case in.Method == methodDelete && !strictjson.IsAbsent(in.Body):
		return lb.Edit{}, lb.FieldError{Path: "body", Problem: "does not belong to DELETE", Expected: "no body"}
	case in.Method == methodDelete:
		name, err := lb.ParseName(key)
		if err != nil {
			return lb.Edit{}, below("path", err)
		}
		return lb.Edit{Delete: strings.TrimSuffix(kind, "s") + "/" + string(name)}, nil
	case kind == "certificates":
		return lb.Edit{}, lb.FieldError{
			Path: "method", Problem: strconv.Quote(in.Method) + " of a certificate is a request of its own", Expected: "DELETE, or PUT /certificates/KEY before",
		}
	case in.Method == methodPut && kind == "frontends":
		f, err := ParseFrontend(key, in.Body)
		return lb.Edit{Frontend: &f, Keeps: true}, inBody(err)
	case in.Method == methodPut:
		e, err := ParsePut(key, in.Body)
		return e, inBody(err)
	case in.Method == methodPost && kind == "backends":
		s, err := ParseSwitch(key, in.Body)
		return s.Edit(), inBody(err)
	}
	return lb.Edit{}, lb.FieldError{
		Path: "method", Problem: strconv.Quote(in.Method) + " does not change /" + kind, Expected: "PUT or DELETE, or POST for a backend",
	}
}

// below is an error about fields with their paths below another one.
func below(path string, err error) error {
	switch err := err.(type) { //nolint:errorlint // made by this package's and lb's parsers, never wrapped
	case lb.FieldError:
		err.Path = joinPath(path, err.Path)
		return &lb.InvalidError{Fields: []lb.FieldError{err}}
	case *lb.InvalidError:
		out := &lb.InvalidError{Fields: make([]lb.FieldError, len(err.Fields)), More: err.More}
		for i, f := range err.Fields {
			f.Path = joinPath(path, f.Path)
			out.Fields[i] = f
		}
		return out
	default:
		return err
	}
}

// inBody is below for the body of an edit, whose parsers call the body as a whole "body".
func inBody(err error) error {
	const body = "body"
	err = below(body, err)
	if invalid, ok := err.(*lb.InvalidError); ok { //nolint:errorlint // made by below
		for i, f := range invalid.Fields {
			if f.Path == joinPath(body, body) {
				invalid.Fields[i].Path = body
			}
		}
	}
	return err
}

func joinPath(path, field string) string {
	switch {
	case field == "":
		return path
	case strings.HasPrefix(field, "["):
		return path + field
	}
	return path + "." + field
}

// A Preview is what a changeset would do; stage.Preview has the meaning of its fields.
type Preview struct {
	Base     uint64   `json:"base"`
	Path     string   `json:"path"`
	Reasons  []string `json:"reasons,omitempty"`
	Changes  []Change `json:"changes"`
	Warnings []string `json:"warnings,omitempty"`
	// Config is the difference of haproxy.cfg in the unified format.
	Config string `json:"config,omitempty"`
}

// NewPreview makes the answer for a preview.
func NewPreview(p stage.Preview) (Preview, error) {
	changes, err := NewChanges(p.Changes)
	return Preview{
		Base: p.Base, Path: p.Path, Reasons: p.Reasons, Changes: changes, Warnings: p.Warnings,
		Config: stage.Difference("haproxy.cfg now", "haproxy.cfg then", p.Before, p.After),
	}, err
}

// NewChanges makes the answer for what changes of objects.
func NewChanges(changes []lb.ObjectChange) ([]Change, error) {
	out := make([]Change, len(changes))
	for i, c := range changes {
		before, err := definitionOf(c.Before)
		if err != nil {
			return nil, err
		}
		after, err := definitionOf(c.After)
		if err != nil {
			return nil, err
		}
		out[i] = Change{ID: c.ID, Before: before, After: after}
	}
	return out, nil
}
