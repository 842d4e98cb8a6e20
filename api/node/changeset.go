package node

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"thalassa/certs"
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

// changesetBody is a changeset in a request.
type changesetBody struct {
	Message string     `json:"message"`
	Edits   []editBody `json:"edits"`
}

// editBody is one edit of a changeset: a request that changes an object.
type editBody struct {
	Method string `json:"method"` // "PUT", "POST" or "DELETE"
	// Path is one of pathsOf a kind, e.g. "/frontends/KEY" or "/haproxy/sections/KIND/NAME".
	Path string `json:"path"`
	// Body is that of the request; absent for DELETE.
	Body json.RawMessage `json:"body"`
	// IfMatch is an entity tag that the object must have, or "*" for any.
	IfMatch string `json:"ifMatch"`
	// IfNoneMatch is "*" where the object must not exist yet.
	IfNoneMatch string `json:"ifNoneMatch"`
}

// A Changeset is a parsed changeset of a request.
type Changeset struct {
	stage.Changeset

	// Uploads are the certificates that edits put. These edits have the key alone until
	// the uploads are checked.
	Uploads []Upload
}

// An Upload is the certificate of an edit.
type Upload struct {
	certs.Upload

	Edit int // index
}

// ParseChangeset decodes and checks a changeset. The bad fields of an edit are named
// "edits[3].body.bind" and the like.
func ParseChangeset(data []byte) (Changeset, error) {
	var in changesetBody
	if err := strictjson.Decode(data, &in); err != nil {
		return Changeset{}, err
	}
	out := Changeset{Changeset: stage.Changeset{Origin: lb.Origin{Message: strings.TrimSpace(in.Message)}}}
	var fe lb.FieldErrors
	for i, edit := range in.Edits {
		path := "edits[" + strconv.Itoa(i) + "]"
		e, err := edit.parse(path)
		fe.AddErr("", err)
		out.Edits = append(out.Edits, e)
		if e.Certificate != nil && err == nil {
			upload, order, err := ParseCertificate(edit.Body)
			fe.AddErr("", below(path, inBody(err)))
			if e.Certificate.ACME = order; order == nil {
				out.Uploads = append(out.Uploads, Upload{upload, i})
			}
		}
	}
	fe.AddErr("", out.Check())
	return out, fe.Err()
}

// UploadError is an error about the PEM texts of an edit, with its fields named as
// ParseChangeset names them.
func UploadError(edit int, err error) error {
	return below("edits["+strconv.Itoa(edit)+"]", inBody(err))
}

// parse checks one edit; its fields are named below path.
func (in editBody) parse(path string) (lb.Edit, error) {
	at, err := in.target()
	if err != nil {
		return lb.Edit{}, below(path+".path", err)
	}
	e, err := in.change(at)
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

// A target is what the path of an edit names.
type target struct {
	kind lb.Kind
	key  string
	// section is the kind of the section.
	section string
}

// pathsOf are the paths of the objects of a kind.
func pathsOf(k lb.Kind) []string {
	collection := []string{"/" + string(k) + "s/KEY"}
	paths, _ := lb.ByKind(k, collection, collection,
		[]string{"/haproxy/sections/KIND/NAME", "/haproxy/" + lb.SectionGlobal, "/haproxy/" + lb.SectionDefaults}, collection)
	return paths
}

// target reads the path.
func (in editBody) target() (target, error) {
	given := strings.Split(strings.TrimPrefix(in.Path, "/"), "/")
	for i, word := range given {
		decoded, err := url.PathUnescape(word)
		if err != nil || strings.Contains(word, "?") {
			given = nil
			break
		}
		given[i] = decoded
	}
	var all, names []string
	for _, k := range lb.Kinds() {
		names = append(names, string(k))
		for _, path := range pathsOf(k) {
			if at, ok := (target{kind: k}).match(path, given); ok {
				return at, nil
			}
			all = append(all, path)
		}
	}
	return target{}, lb.FieldError{Problem: strconv.Quote(in.Path) + " is not the path of a " + anyOf(names), Expected: anyOf(all)}
}

// match is the target with what the words of a path have in the places of KEY, KIND and NAME.
func (t target) match(path string, given []string) (target, bool) {
	words := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(words) != len(given) {
		return t, false
	}
	for i, word := range words {
		switch word {
		case "KEY", "NAME":
			t.key = given[i]
		case "KIND":
			t.section = given[i]
		case given[i]:
		default:
			return t, false
		}
	}
	if t.kind == lb.KindSection && t.section == "" && len(words) == 2 {
		t.section = words[1]
	}
	return t, true
}

// anyOf lists words as in "a, b or c".
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// change is the edit without its conditions.
func (in editBody) change(at target) (lb.Edit, error) {
	if strictjson.IsAbsent(in.Body) && in.Method != methodDelete {
		return lb.Edit{}, lb.FieldError{Path: "body", Problem: "is missing", Expected: "the body of the request"}
	}
	switch {
	case in.Method == methodDelete && !strictjson.IsAbsent(in.Body):
		return lb.Edit{}, lb.FieldError{Path: "body", Problem: "does not belong to DELETE", Expected: "no body"}
	case in.Method == methodDelete:
		id, err := at.id()
		return lb.Edit{Delete: id}, below("path", err)
	case in.Method == methodPut:
		return in.put(at)
	case in.Method == methodPost && at.kind == lb.KindBackend:
		s, err := ParseSwitch(at.key, in.Body)
		return s.Edit(), inBody(err)
	}
	return lb.Edit{}, lb.FieldError{
		Path: "method", Problem: strconv.Quote(in.Method) + " does not change " + in.Path, Expected: "PUT or DELETE, or POST for a backend",
	}
}

// id is that of the object.
func (t target) id() (string, error) {
	if t.kind == lb.KindSection {
		s, err := lb.SectionSpec{}.Parse(t.section, t.key)
		return s.ID(), err
	}
	name, err := lb.ParseName(t.key)
	return string(t.kind) + "/" + string(name), err
}

// put is the edit that creates or replaces an object. That of a certificate has its key
// alone.
func (in editBody) put(at target) (lb.Edit, error) {
	put, _ := lb.ByKind(at.kind,
		func() (lb.Edit, error) {
			f, err := ParseFrontend(at.key, in.Body)
			return lb.Edit{Frontend: &f, Keeps: true}, inBody(err)
		},
		func() (lb.Edit, error) {
			e, err := ParsePut(at.key, in.Body)
			return e, inBody(err)
		},
		func() (lb.Edit, error) {
			s, err := ParseSection(at.section, at.key, in.Body)
			return lb.Edit{Section: &s}, inBody(err)
		},
		func() (lb.Edit, error) {
			key, err := lb.ParseName(at.key)
			return lb.Edit{Certificate: &lb.Certificate{Key: key}}, below("path", err)
		},
	)
	return put()
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

// A Preview is what a changeset would do; stage.Preview documents its fields.
type Preview struct {
	Base     uint64   `json:"base"`
	Path     string   `json:"path"`
	Reasons  []string `json:"reasons,omitempty"`
	Changes  []Change `json:"changes"`
	Warnings []string `json:"warnings,omitempty"`
	// Config is the difference of haproxy.cfg in the unified format.
	Config string `json:"config,omitempty"`
}

// NewPreview makes the JSON document of a preview.
func NewPreview(p stage.Preview) (Preview, error) {
	changes, err := NewChanges(p.Changes)
	return Preview{
		Base: p.Base, Path: p.Path, Reasons: p.Reasons, Changes: changes, Warnings: p.Warnings,
		Config: stage.Difference("haproxy.cfg now", "haproxy.cfg then", p.Before, p.After),
	}, err
}

// NewChanges makes the JSON documents of changes of objects.
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
