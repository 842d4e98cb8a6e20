package lb

import (
	"encoding/json"
	"strconv"
	"time"
)

// MaxWait bounds how long a switch may wait for a healthy instance.
const MaxWait = 10 * time.Minute

type switchJSON struct {
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	Versions json.RawMessage `json:"versions"`
	Force    bool            `json:"force"`
	Wait     string          `json:"wait"` // a duration such as "30s"
}

// ParseSwitch decodes and checks the JSON body of an A/B switch of the backend
// named key: version or versions, and optionally name (of the Consul service),
// force and wait. The error is an *InvalidError naming every bad field.
func ParseSwitch(key string, body []byte) (Switch, error) {
	var in switchJSON
	if err := unmarshalStrict(body, &in); err != nil {
		return Switch{}, err
	}
	var fe fieldErrors
	s := Switch{Force: in.Force}
	var err error
	s.Backend, err = ParseName(key)
	fe.addErr("key", err)
	if in.Name != "" {
		s.Service, err = ParseName(in.Name)
		fe.addErr("name", err)
	}
	s.Version, s.Versions = parseSelection(&fe, in.Version, in.Versions)
	s.Wait, err = parseWait(in.Wait)
	fe.addErr("wait", err)
	return s, fe.err()
}

// parseWait accepts a duration between 0 and MaxWait; "" is 0.
func parseWait(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxWait {
		return 0, bad(strconv.Quote(s)+" is not a time to wait", `a duration up to 10m, e.g. "30s"`)
	}
	return d, nil
}

// Switched is the backend that s is about, as s wants it. Errors:
// *NotFoundError; *ConflictError for a static backend; *InvalidError for a split
// that its balance algorithm cannot do.
func (in Intent) Switched(s Switch) (Backend, error) {
	b, ok := in.Backends[s.Backend]
	if !ok {
		return b, &NotFoundError{ID: Backend{Key: s.Backend}.ID()}
	}
	if b.Type != "dynamic" {
		return b, &ConflictError{ID: b.ID(), Reason: "is static: it lists its members itself and has no version to switch"}
	}
	b.Version, b.Versions = s.Version, s.Versions
	if s.Service != "" {
		b.Service = s.Service
	}
	var fe fieldErrors
	fe.addErr("versions", b.checkWeighing())
	return b, fe.err()
}
