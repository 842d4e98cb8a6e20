package hrapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
	"thalassa/lb"
)

// An object is a JSON object of an answer. It is encoded with sorted keys, indented by two spaces.
type object = map[string]any

// maxBody bounds a body.
const maxBody = 1 << 20

func respond(c echo.Context, status int, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return api.Respond(c, status, echo.MIMEApplicationJSON, append(data, '\n'))
}

func done(c echo.Context, v object) error { return respond(c, http.StatusOK, v) }

func missing(c echo.Context, what, name string) error {
	return respond(c, http.StatusNotFound, object{what: name})
}

// invalid is an error about one field of a request.
func invalid(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// param is a name in the path.
func param(c echo.Context, name string) (string, error) {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" { // echo matched the decoded path
		return value, nil
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return "", invalid(name, "is not decodable", "percent-encoding")
	}
	return decoded, nil
}

// body reads a JSON body. A form or plain text is refused, because a web page may send
// these to any site.
func body(c echo.Context) ([]byte, error) {
	r := c.Request()
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON {
		return nil, invalid("Content-Type", strconv.Quote(r.Header.Get(echo.HeaderContentType))+" is not JSON", "application/json")
	}
	return api.ReadBody(c, maxBody)
}

// fields are those of a JSON object, unread.
type fields map[string]json.RawMessage

// parseFields reads the object of a body. JSON is case-sensitive here.
func parseFields(data []byte, known ...string) (fields, error) {
	var f fields
	if err := json.Unmarshal(data, &f); err != nil || f == nil {
		return nil, invalid("body", "is not a JSON object", "one JSON object")
	}
	for name := range f {
		isKnown := false
		for _, k := range known {
			isKnown = isKnown || k == name
		}
		if !isKnown {
			return nil, invalid(name, "is not a field of this request", fmt.Sprint(known))
		}
	}
	return f, checkOnce(data)
}

// checkOnce refuses a JSON object with a field that is set twice, of which a map has the last one.
func checkOnce(data []byte) error {
	dec, seen := json.NewDecoder(bytes.NewReader(data)), map[string]bool{}
	_, err := dec.Token()
	for err == nil && dec.More() {
		var key json.Token
		var value json.RawMessage
		if key, err = dec.Token(); err == nil {
			err = dec.Decode(&value)
		}
		name, _ := key.(string)
		if seen[name] {
			return invalid(name, "is set twice", "each field once")
		}
		seen[name] = true
	}
	return err
}

// read decodes a field; false: it is absent.
func read[T any](f fields, name, expected string, into *T) (bool, error) {
	raw, ok := f[name]
	if !ok {
		return false, nil
	}
	if string(raw) == "null" || json.Unmarshal(raw, into) != nil {
		return true, invalid(name, "has another type", expected)
	}
	return true, nil
}

// A pair is a name with an address.
type pair struct{ name, address string }

// pairs reads an object of addresses in its order.
func pairs(f fields, name string) ([]pair, error) {
	const expected = `an object of addresses: {"name": "ip:port"}`
	dec := json.NewDecoder(bytes.NewReader(f[name]))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid(name, "is no object", expected)
	}
	out, seen := []pair{}, map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		text, _ := key.(string)
		var address string
		if err != nil || dec.Decode(&address) != nil {
			return nil, invalid(name+"."+text, "is no text", `"ip:port"`)
		}
		if seen[text] {
			return nil, invalid(name+"."+text, "is set twice", "each name once")
		}
		seen[text] = true
		out = append(out, pair{text, address})
	}
	return out, nil
}

// flag reads true and false, also as text; nil: it is absent.
func flag(f fields, name string) (*bool, error) {
	var value bool
	var text string
	ok, err := read(f, name, "true or false", &value)
	if err == nil && !ok {
		return nil, nil //nolint:nilnil // nothing is said
	}
	if err != nil && json.Unmarshal(f[name], &text) == nil && (text == "True" || text == "False") {
		value, err = text == "True", nil
	}
	return &value, err
}

// staging shows and changes the draft.
type staging struct{ agent *api.Agent }

// model is what the draft shows.
func (s staging) model(ctx context.Context) (*gateway.Model, error) {
	in, err := s.agent.Staged(ctx, DraftID)
	return gateway.New(in, s.agent.Snapshot(ctx), dashboardKey), err
}

// change changes the draft, unless change returns an error.
func (s staging) change(c echo.Context, change func(*gateway.Model) error) error {
	ctx := c.Request().Context()
	snap := s.agent.Snapshot(ctx)
	return s.stage(c, func(in lb.Intent) (lb.Intent, error) {
		m := gateway.New(in, snap, dashboardKey)
		m.Sees = func(id string) bool { return api.Sees(ctx, id) }
		err := change(m)
		return m.Intent(), err
	})
}

// stage changes the draft under the conditions of the request: If-Match and If-None-Match are
// about the object that the path names. The entity tag of the answer is that of the object
// afterwards.
func (s staging) stage(c echo.Context, change func(lb.Intent) (lb.Intent, error)) error {
	tag := ""
	err := s.agent.Stage(c.Request().Context(), DraftID, s.agent.Origin(c), func(in lb.Intent) (lb.Intent, error) {
		id := objectOf(c, in)
		if err := api.CheckConditions(c.Request(), in, id); id != "" && err != nil {
			return in, err
		}
		next, err := change(in)
		if err == nil {
			tag = api.EntityTag(c.Request().Context(), next, id)
		}
		return next, err
	})
	if err == nil && tag != "" {
		c.Response().Header().Set("ETag", tag)
	}
	return err
}

// objectOf is the id of the object that the path of a request names; empty: it names none.
func objectOf(c echo.Context, in lb.Intent) string {
	for _, kind := range []struct{ param, object string }{{"gateway", "frontend/"}, {"pool", "backend/"}, {"certificate", "certificate/"}} {
		if name, err := param(c, kind.param); err == nil && name != "" {
			if kind.param == "certificate" {
				name = certificateName(in, name)
			}
			return kind.object + name
		}
	}
	return ""
}

// unchanged sets the entity tag of an answer about the object in the path, and reports
// whether the caller has that state already.
func unchanged(c echo.Context, in lb.Intent) bool {
	o := in.Object(objectOf(c, in))
	return o != nil && api.Unchanged(c, o.ETag())
}

// A missingError says that something that a request needs does not exist: the key and the value of
// the answer.
type missingError struct{ what, name string }

func (e *missingError) Error() string { return e.what + ": " + e.name }

// answer answers a request, or says why it failed.
func answer(c echo.Context, err error, ok func() object) error {
	if err != nil {
		return failed(c, err)
	}
	return done(c, ok())
}

// failed answers with 404 if something is missing, and leaves other errors to the server.
func failed(c echo.Context, err error) error {
	if e, is := errors.AsType[*missingError](err); is {
		return missing(c, e.what, e.name)
	}
	if _, is := errors.AsType[*gateway.NoCertificateError](err); is {
		return missing(c, "certificate error", noCertificate)
	}
	return err
}
