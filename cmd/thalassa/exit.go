package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"thalassa/client"
	"thalassa/lb"
)

// Exit codes; docs/cli.md is their contract with scripts.
const (
	exitOK          = 0
	exitFailure     = 1 // anything not named below
	exitUsage       = 2 // arguments, settings or input are wrong
	exitNotFound    = 3 // no such object
	exitConflict    = 4 // the present state forbids it, or it changed meanwhile
	exitRefused     = 5 // HAProxy does not accept the result
	exitUnavailable = 6 // the agent, Consul or HAProxy is not there now
	exitForbidden   = 7 // the token is missing, unknown, or its role too small
)

// errReported ends the program with a failure that was printed already.
var errReported = errors.New("reported")

// errNotInEffect ends a command whose change is stored and waits for HAProxy.
var errNotInEffect = errors.New("stored, and not yet in effect")

// usageError is a mistake in arguments or settings.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exitCode maps an error to the code a script sees.
func exitCode(err error) int {
	var usage usageError
	var invalid *lb.InvalidError
	var answer *client.Error
	switch {
	case errors.As(err, &usage), errors.As(err, &invalid):
		return exitUsage
	case client.IsUnreachable(err), errors.Is(err, errNotInEffect):
		return exitUnavailable
	case errors.As(err, &answer):
		return statusCode(answer.Status)
	}
	return exitFailure
}

func statusCode(status int) int {
	switch status {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusServiceUnavailable:
		return exitUnavailable
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	}
	return exitFailure
}

// explain prints what an agent's answer holds besides its sentence: HAProxy's
// own words.
func explain(w io.Writer, err error) {
	var answer *client.Error
	if errors.As(err, &answer) && answer.Output != "" {
		fmt.Fprintln(w, strings.TrimSpace(answer.Output))
	}
}
