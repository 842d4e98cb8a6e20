package lb

import (
	"encoding/json"
	"strings"
)

// A Frontend is where clients connect: addresses, and the rules that choose a
// backend.
type Frontend struct {
	Key       Name
	Binds     []Bind // at least one, no duplicates
	Backend   Name   // default backend; may be empty when there are rules
	Mode      string // "http" or "tcp"
	Keepalive string // "default", "close" or "server-close"
	Rules     []Rule
	Natives   []Native
	// Register is the Consul service that this frontend is announced as;
	// empty: not announced.
	Register Name
}

// frontendJSON is the frontend of the REST dialect and of the persistence
// file. Pointers tell an absent field from an empty one where both mean
// something.
type frontendJSON struct {
	ID        string        `json:"id,omitempty"`
	Type      string        `json:"_type,omitempty"`
	Key       string        `json:"key,omitempty"`
	Name      string        `json:"name,omitempty"`
	Bind      string        `json:"bind"`
	Backend   string        `json:"backend"`
	Mode      string        `json:"mode"`
	Keepalive string        `json:"keepalive"`
	Rules     []ruleJSON    `json:"rules"`
	Natives   []string      `json:"natives"`
	Register  *registerJSON `json:"register,omitempty"`
}

type registerJSON struct {
	Name string `json:"name"`
}

// ParseFrontend decodes and checks the JSON body of the frontend named key.
// id, _type, key and name may be present, as in an object read before, and
// must then agree. The error is an *InvalidError naming every bad field.
func ParseFrontend(key string, body []byte) (Frontend, error) {
	var in frontendJSON
	if err := unmarshalStrict(body, &in); err != nil {
		return Frontend{}, err
	}
	return in.parse(key)
}

func (in frontendJSON) parse(key string) (Frontend, error) {
	var fe fieldErrors
	f := Frontend{Key: checkIdentity(&fe, "frontend", key, in.ID, in.Type, in.Key)}
	if in.Name != "" && in.Name != key {
		fe.add("name", "does not repeat the key", key)
	}
	var err error
	f.Binds, err = parseBinds(in.Bind)
	fe.addErr("bind", err)
	f.Mode, err = oneOf(in.Mode, "http", "tcp")
	fe.addErr("mode", err)
	f.Keepalive, err = oneOf(in.Keepalive, "default", "close", "server-close")
	fe.addErr("keepalive", err)
	f.Rules = parseRules(&fe, in.Rules)
	f.Natives = parseNatives(&fe, in.Natives)
	if in.Backend != "" || len(in.Rules) == 0 {
		f.Backend, err = ParseName(in.Backend)
		fe.addErr("backend", err)
	}
	if f.Mode == "tcp" && len(in.Rules) > 0 {
		fe.add("rules", "look into HTTP requests, and mode is tcp", "no rules, or mode http")
	}
	if in.Register != nil {
		f.Register, err = ParseName(in.Register.Name)
		fe.addErr("register.name", err)
	}
	return f, fe.err()
}

// ID is "frontend/KEY".
func (f Frontend) ID() string { return "frontend/" + string(f.Key) }

// MarshalJSON gives the REST dialect's object.
func (f Frontend) MarshalJSON() ([]byte, error) {
	out := frontendJSON{
		ID: f.ID(), Type: "frontend", Key: string(f.Key), Name: string(f.Key),
		Bind: joinBinds(f.Binds), Backend: string(f.Backend), Mode: f.Mode, Keepalive: f.Keepalive,
		Rules: make([]ruleJSON, len(f.Rules)), Natives: make([]string, len(f.Natives)),
	}
	for i, r := range f.Rules {
		out.Rules[i] = r.json()
	}
	for i, n := range f.Natives {
		out.Natives[i] = string(n)
	}
	if f.Register != "" {
		out.Register = &registerJSON{Name: string(f.Register)}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote, with the checks of ParseFrontend.
func (f *Frontend) UnmarshalJSON(data []byte) error {
	var in frontendJSON
	if err := unmarshalLenient(data, &in); err != nil {
		return err
	}
	var err error
	*f, err = in.parse(keyOf(in.ID, in.Key))
	return err
}

// Targets lists the backends this frontend can send a request to, each once,
// the default backend last.
func (f Frontend) Targets() []Name {
	var out []Name
	seen := map[Name]bool{"": true}
	for _, r := range f.Rules {
		if !seen[r.Backend] {
			seen[r.Backend] = true
			out = append(out, r.Backend)
		}
	}
	if !seen[f.Backend] {
		out = append(out, f.Backend)
	}
	return out
}

// PretendsKeepalive reports whether requests through this frontend go to members
// with option http-server-close and option http-pretend-keepalive: the original's
// reading of "default" for frontends with rules.
func (f Frontend) PretendsKeepalive() bool {
	return f.Mode == "http" && f.Keepalive == "default" && len(f.Rules) > 0
}

// checkIdentity parses key and checks the identifying fields that a body may
// repeat.
func checkIdentity(fe *fieldErrors, kind, key, id, typ, bodyKey string) Name {
	name, err := ParseName(key)
	fe.addErr("key", err)
	if id != "" && id != kind+"/"+key {
		fe.add("id", "does not fit the key", kind+"/"+key)
	}
	if typ != "" && typ != kind {
		fe.add("_type", "is not the type of this object", kind)
	}
	if bodyKey != "" && bodyKey != key {
		fe.add("key", "does not fit the address", key)
	}
	return name
}

// keyOf finds an object's key in documents that carry key, id or both.
func keyOf(id, key string) string {
	if key != "" {
		return key
	}
	_, rest, _ := strings.Cut(id, "/")
	return rest
}
