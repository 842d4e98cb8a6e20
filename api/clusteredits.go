package api

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"thalassa/cluster/config"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// maxClusterEdits is how many edits one change of the cluster may have.
const maxClusterEdits = 500

// clusterEditBody is an edit as JSON.
type clusterEditBody struct {
	Method      string          `json:"method"`
	Path        string          `json:"path"`
	Body        json.RawMessage `json:"body"`
	XML         string          `json:"xml"` // in place of Body
	IfMatch     string          `json:"ifMatch"`
	IfNoneMatch string          `json:"ifNoneMatch"`
	Cascade     bool            `json:"cascade"`
}

// parseClusterEdits reads the document of a change:
//
//	{"edits": [{"method": "PUT", "path": "/cluster/config/primitives/vip", "body": {…}},
//	           {"method": "POST", "path": "/cluster/config/primitives/a/rename", "body": {"to": "b"}}]}
//
// The error is an *lb.InvalidError.
func parseClusterEdits(data []byte) ([]config.Edit, error) {
	var in struct {
		Edits []clusterEditBody `json:"edits"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return nil, err
	}
	var fe lb.FieldErrors
	if len(in.Edits) == 0 || len(in.Edits) > maxClusterEdits {
		fe.Add("edits", "has "+strconv.Itoa(len(in.Edits))+" edits", "1 to "+strconv.Itoa(maxClusterEdits))
		return nil, fe.Err()
	}
	out := make([]config.Edit, len(in.Edits))
	for i, b := range in.Edits {
		out[i] = b.edit(&fe, "edits["+strconv.Itoa(i)+"]")
	}
	return out, fe.Err()
}

func (b clusterEditBody) edit(fe *lb.FieldErrors, at string) config.Edit {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(b.Path, clusterConfigPath), "/"), "/")
	e := config.Edit{Op: strings.ToUpper(b.Method), Body: b.Body, IfNone: b.IfNoneMatch == "*", Cascade: b.Cascade}
	if b.IfMatch != "" {
		e.IfMatch = []string{b.IfMatch}
	}
	if b.IfNoneMatch != "" && !e.IfNone {
		fe.Add(at+".ifNoneMatch", "is "+strconv.Quote(b.IfNoneMatch), "*")
	}
	if len(parts) < 2 || len(parts) > 3 || !config.Kind(parts[0]).Valid() {
		fe.Add(at+".path", "is "+strconv.Quote(b.Path), clusterConfigPath+"/KIND/ID")
		return e
	}
	id, err := url.PathUnescape(parts[1])
	if err != nil || id == "" {
		fe.Add(at+".path", "is "+strconv.Quote(b.Path), clusterConfigPath+"/KIND/ID")
	}
	e.Kind, e.ID = config.Kind(parts[0]), id
	b.setOperation(fe, at, parts[2:], &e)
	return e
}

// setOperation checks the method and the body of an edit; last is what follows the object
// in its path.
func (b clusterEditBody) setOperation(fe *lb.FieldErrors, at string, last []string, e *config.Edit) {
	isChange := e.Op == config.Put || e.Op == config.Patch
	if b.XML != "" {
		e.Body, e.IsXML = []byte(b.XML), true
		if e.Op != config.Put || len(b.Body) > 0 {
			fe.Add(at+".xml", "has no meaning here", "the element of an object, of PUT without body")
		}
	}
	switch {
	case len(last) == 0 && isChange && len(e.Body) == 0:
		fe.Add(at+".body", "is missing", "the object")
	case len(last) == 0 && (isChange || e.Op == config.Delete):
	case len(last) == 1 && e.Op == "POST" && (last[0] == config.Rename || last[0] == config.Copy):
		e.Op = last[0]
		var err error
		if e.To, err = parseNewID(b.Body); err != nil {
			fe.Add(at+".body", "has no id", `{"to": "ID"}`)
		}
	default:
		fe.Add(at+".method", "is "+strconv.Quote(b.Method)+" of "+strconv.Quote(b.Path), "PUT, PATCH, DELETE of an object, or POST of its rename or copy")
	}
}

// parseNewID reads the body of a rename or copy: {"to": "ID"}.
func parseNewID(data []byte) (string, error) {
	var body struct {
		To string `json:"to"`
	}
	err := strictjson.Decode(data, &body)
	return body.To, err
}
