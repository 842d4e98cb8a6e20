package consul

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/consul/api"
)

// ErrNoLeader says that Consul's servers have no leader, so that their answers may be out
// of date.
var ErrNoLeader = errors.New("consul has no leader")

// A Failure is a failed request.
type Failure struct {
	// Reason is a clause for people. It is the same for the same cause.
	Reason string
	// Outage: Consul as a whole is not available or refuses access. Otherwise, a single
	// answer is unusable.
	Outage bool
}

// Diagnose classifies the error of a request.
func Diagnose(err error) Failure {
	var (
		status api.StatusError
		syntax *json.SyntaxError
		typing *json.UnmarshalTypeError
		errno  syscall.Errno
		failed *url.Error
		lookup *net.DNSError
		token  *tokenError
	)
	switch {
	case errors.Is(err, ErrNoLeader):
		return Failure{Reason: err.Error(), Outage: true}
	case errors.As(err, &token):
		return Failure{Reason: oneLine("", token.Error()), Outage: true}
	case errors.Is(err, errTooLarge):
		return Failure{Reason: "asking consul: the answer is too large"}
	case errors.As(err, &syntax), errors.As(err, &typing), errors.Is(err, errNoArray), errors.Is(err, errSyntax):
		return Failure{Reason: "asking consul: the answer is malformed"}
	case errors.As(err, &status):
		return Failure{Reason: "asking consul: HTTP " + strconv.Itoa(status.Code) + oneLine(": ", status.Body), Outage: true}
	case errors.Is(err, context.DeadlineExceeded):
		return Failure{Reason: "asking consul: no answer in time", Outage: true}
	case errors.As(err, &errno):
		// Without the addresses: the local port is different each time.
		return Failure{Reason: "asking consul: " + errno.Error(), Outage: true}
	case errors.As(err, &lookup):
		return Failure{Reason: "asking consul: looking up " + lookup.Name + ": " + lookup.Err, Outage: true}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Failure{Reason: "asking consul: the connection was closed", Outage: true}
	case errors.As(err, &failed):
		err = failed.Err // without method and address
	}
	return Failure{Reason: "asking consul" + oneLine(": ", err.Error()), Outage: true}
}

// brief returns err with Consul's message in one line. Another program at the address
// may answer with a whole page.
func brief(err error) error {
	if status, ok := errors.AsType[api.StatusError](err); ok {
		status.Body = oneLine("", status.Body)
		return status
	}
	return err
}

// oneLine converts a foreign text to one line after a separator; empty for an empty
// text.
func oneLine(separator, s string) string {
	const longest = 200
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	if s == "" {
		return ""
	}
	return separator + s
}

// IsRefused reports whether Consul answered a request and refuses it for what it asks, or
// for who asks: a status of 400 to 499.
func IsRefused(err error) bool {
	status, ok := errors.AsType[api.StatusError](err)
	return ok && status.Code >= 400 && status.Code < 500
}
