package node

import "thalassa/lb"

// A Member is one member of a backend in answers of the API.
type Member struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`    // the Consul service; empty in a static backend
	Version   string            `json:"version"` // of that service
	Host      string            `json:"host"`
	Port      int               `json:"port"`
	LastKnown int64             `json:"lastKnown,omitempty"` // milliseconds since the epoch
	Meta      map[string]string `json:"meta"`                // of the Consul instance
	// Stats are HAProxy's statistics, if requested and known.
	Stats *ServerStats `json:"stats,omitempty"`
	// Override is what an operator asked for the member; nil: nothing.
	Override *Override `json:"override,omitempty"`
	// Of a static member: its name in the gateways/pools dialect, its own weight, and
	// whether it gets no requests.
	Target   string `json:"target,omitempty"`
	Weight   *int   `json:"weight,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
}

// NewListedMembers makes the JSON documents of the members of a backend; for a static one all that
// it lists. It is never nil.
func NewListedMembers(p lb.ResolvedBackend) []Member {
	if p.Type != "static" {
		return NewMembers(p.Members)
	}
	inUse := make(map[lb.HostPort]lb.Member, len(p.Members))
	for _, m := range p.Members {
		inUse[m.Given()] = m
	}
	out := make([]Member, len(p.Backend.Members))
	for i, m := range p.Backend.Members {
		used, isUsed := inUse[m.HostPort]
		if !isUsed {
			used = lb.Member{Address: m.HostPort}
		}
		out[i] = NewMember(used)
		out[i].Target, out[i].Disabled = string(m.Target), m.Disabled
		if m.Weight.IsSet {
			out[i].Weight = &p.Backend.Members[i].Weight.Value
		}
	}
	return out
}

// NewMember makes the JSON document of a member.
func NewMember(m lb.Member) Member {
	out := Member{
		ID: m.ID(), Name: string(m.Service), Version: string(m.Version),
		Host: string(m.Address.Host), Port: int(m.Address.Port), Meta: m.Meta, Override: newOverride(m.Override),
	}
	if out.Meta == nil {
		out.Meta = map[string]string{}
	}
	if !m.LastKnown.IsZero() {
		out.LastKnown = m.LastKnown.UnixMilli()
	}
	return out
}

// NewMembers makes the JSON document of a list of members; it is never nil.
func NewMembers(list []lb.Member) []Member {
	out := make([]Member, len(list))
	for i, m := range list {
		out[i] = NewMember(m)
	}
	return out
}

// A DrainingMember is a former member of a backend that still has connections.
type DrainingMember struct {
	Member

	Connections int  `json:"connections"`
	Replaced    bool `json:"replaced"` // see lb.ServerConnections
}

// NewDrainingMembers makes the JSON document of a list of them; it is never nil.
func NewDrainingMembers(list []lb.DrainingMember) []DrainingMember {
	out := make([]DrainingMember, len(list))
	for i, m := range list {
		out[i] = DrainingMember{NewMember(m.Member), m.Connections, m.Replaced}
	}
	return out
}

// ServerStats are the figures of one server line; lb.ServerStats has their meaning.
type ServerStats struct {
	Server         string    `json:"server"`
	Status         string    `json:"status"`
	Weight         int       `json:"weight"`
	Check          string    `json:"check"`
	Sessions       int       `json:"sessions"`
	Queue          int       `json:"queue"`
	Requests       int64     `json:"requests"`
	Responses      Responses `json:"responses"`
	ConnectErrors  int64     `json:"connectErrors"`
	Redispatches   int64     `json:"redispatches"`
	ResponseErrors int64     `json:"responseErrors"`
	ResponseTimeMS int64     `json:"responseTimeMs"`
}

// Responses counts HTTP responses by the first digit of their status.
type Responses struct {
	Informational int64 `json:"1xx"`
	Success       int64 `json:"2xx"`
	Redirection   int64 `json:"3xx"`
	ClientError   int64 `json:"4xx"`
	ServerError   int64 `json:"5xx"`
	Other         int64 `json:"other"`
}

// NewServerStats makes the JSON document of the figures of a server.
func NewServerStats(s lb.ServerStats) ServerStats {
	return ServerStats{
		Server: s.Server, Status: s.Status, Weight: s.Weight, Check: s.Check, Sessions: s.Sessions, Queue: s.Queue,
		Requests: s.Requests, Responses: Responses(s.Responses), ConnectErrors: s.ConnectErrors, Redispatches: s.Redispatches,
		ResponseErrors: s.ResponseErrors, ResponseTimeMS: s.ResponseTimeMS,
	}
}

// Total is how many there were.
func (r Responses) Total() int64 { return lb.Responses(r).Total() }
