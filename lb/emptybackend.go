package lb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An EmptyBackend is a backend without members: HAProxy answers its requests with 503.
type EmptyBackend struct {
	ID string // "backend/live"
	// RoutedBy are the ids of the frontends that can send requests to it, sorted.
	RoutedBy []string
	// Reason is a clause, e.g. "version 2.0.0 of service shop has no healthy instance".
	Reason string
	// Detail are further clauses: what Consul knows instead; may be empty.
	Detail string
}

// String is a sentence with all that is known.
func (e EmptyBackend) String() string {
	text := e.Brief()
	if e.Detail != "" {
		text += "; " + e.Detail
	}
	return text
}

// Brief is a sentence without details of instances.
func (e EmptyBackend) Brief() string { return e.ID + " has no member: " + e.Reason }

// Empty says why a backend of the intent has no member; false: it has one, or its raw lines answer
// requests.
func (in Intent) Empty(p ResolvedBackend, snap Snapshot) (EmptyBackend, bool) {
	if len(p.Members) > 0 || slices.ContainsFunc(p.Natives, RawLine.answers) {
		return EmptyBackend{}, false
	}
	e := EmptyBackend{ID: p.ID(), RoutedBy: in.RoutedBy(p.Key)}
	service, known := snap.Services[p.Service]
	switch {
	case p.Disabled:
		e.Reason = "it is disabled"
	case p.Type == "static" && !slices.ContainsFunc(p.Backend.Members, func(m StaticMember) bool { return !m.Disabled }) && len(p.Backend.Members) > 0:
		e.Reason = "all that it lists are disabled"
	case p.Type == "static" && len(p.Backend.Members) > 0:
		e.Reason = "all that it lists have addresses that administer this node"
	case p.Type == "static":
		e.Reason = "it lists none"
	case !known:
		e.Reason, e.Detail = "Consul has not answered about service "+string(p.Service)+" yet", snap.Unanswered[p.Service]
	default:
		active := p.Split().Active()
		e.Reason, e.Detail = noHealthy(p.Service, active), service.instead(active)
	}
	return e, true
}

// answers reports whether a raw line of a backend gives it a server, or has HAProxy answer
// every request itself.
func (n RawLine) answers() bool {
	words := lineWords(n)
	first, second := wordAt(words, 0), wordAt(words, 1)
	isConditional := slices.Contains(words, "if") || slices.Contains(words, "unless")
	switch first {
	case "server", "server-template", "dispatch":
		return true
	case "option":
		return second == "transparent" || second == "http_proxy"
	case "stats":
		return second == "enable" || second == "uri"
	case "redirect":
		return !isConditional
	case "http-request":
		return !isConditional && isOneOf(finalActions, second)
	case "tcp-request":
		return !isConditional && second == "content" && isOneOf(finalActions, wordAt(words, 2))
	}
	return false
}

// finalActions are the actions of rules after which no server is chosen.
const finalActions = " deny redirect reject return silent-drop tarpit use-service "

// CheckHealthy returns a *ConflictError for a backend that gives traffic to versions without a
// healthy instance. The error lists what Consul knows instead. waited is how long the caller has
// waited for them.
func (s Service) CheckHealthy(b Backend, waited time.Duration) error {
	missing := s.Missing(b.Split())
	if len(missing) == 0 {
		return nil
	}
	reason := noHealthy(b.Service, missing)
	if waited > 0 {
		reason += " after " + waited.String()
	}
	if s.Hold != nil && slices.ContainsFunc(missing, s.Keeps) {
		reason += " that Consul still lists (" + s.Hold.String() + ")"
	} else {
		reason += "; " + s.instead(missing)
	}
	return &ConflictError{ID: b.ID(), Reason: reason}
}

// noHealthy says that versions of a service have no healthy instance.
func noHealthy(service Name, versions []Version) string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = string(v)
	}
	if len(names) == 1 {
		return "version " + names[0] + " of service " + string(service) + " has no healthy instance"
	}
	return "versions " + strings.Join(names, " and ") + " of service " + string(service) + " have no healthy instance"
}

// instead says what Consul knows instead of versions that are missing.
func (s Service) instead(missing []Version) string {
	known := s.Versions()
	versions := make([]string, len(known))
	for i, v := range known {
		versions[i] = string(v.Version) + " (" + strconv.Itoa(v.Healthy) + " of " + strconv.Itoa(v.Total) + " healthy)"
	}
	text := "Consul knows " + cmp.Or(strings.Join(versions, ", "), "no instance of that service")
	if why := s.WhyNone(missing); why != "" {
		text += "; not usable: " + why
	}
	return text
}
