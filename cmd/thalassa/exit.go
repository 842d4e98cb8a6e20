package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"thalassa/canary"
	"thalassa/client"
	"thalassa/cluster"
	"thalassa/lb"
)

// Exit codes; docs/cli.md is their contract with scripts.
const (
	exitOK          = 0
	exitFailure     = 1 // anything not named below
	exitUsage       = 2 // arguments, settings or input are wrong
	exitNotFound    = 3 // no such object
	exitConflict    = 4 // the present state forbids it, or it changed meanwhile
	exitRefused     = 5 // HAProxy, or Pacemaker, does not accept the result
	exitUnavailable = 6 // the agent, Consul or HAProxy is not there now
	exitForbidden   = 7 // the token is missing, unknown, or its role too small
)

var (
	// errReported ends the program with a failure that was printed already.
	errReported = errors.New("reported")
	// errNotInEffect ends a command whose change is stored and waits for HAProxy.
	errNotInEffect = errors.New("stored, and not yet in effect")
	// errNotReady ends a look at an agent that does not do its work.
	errNotReady = errors.New("HAProxy does not run what was asked for")
	// errInterrupted ends a command that was told to stop before it was done.
	errInterrupted = errors.New("interrupted before the agent had answered")
)

// usageError is a mistake in arguments or settings.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exitCode maps an error to the code a script sees.
func exitCode(err error) int {
	var usage usageError
	var invalid *lb.InvalidError
	var answer *client.Error
	var agent ocfError
	switch {
	case errors.As(err, &agent):
		return int(agent.Code)
	case err == nil:
		return exitOK
	case isConflict(err):
		return exitConflict
	case errors.As(err, &usage), errors.As(err, &invalid):
		return exitUsage
	case errors.As(err, new(*lb.NotFoundError)):
		return exitNotFound
	case errors.As(err, new(*cluster.Error)):
		return clusterCode(err)
	case errors.As(err, new(*lb.RefusedError)):
		return exitRefused
	case client.IsUnreachable(err), errors.Is(err, errNotInEffect), errors.Is(err, errNotReady), errors.Is(err, errClusterTrouble),
		errors.As(err, new(*canary.UndrainedError)):
		return exitUnavailable
	case errors.As(err, &answer):
		return answerCode(answer)
	}
	return exitFailure
}

// clusterCode is the exit code for the failure of one of Pacemaker's tools.
func clusterCode(err error) int {
	var e *cluster.Error
	errors.As(err, &e)
	switch e.Kind {
	case cluster.KindForbidden:
		return exitForbidden
	case cluster.KindNotFound:
		return exitNotFound
	case cluster.KindStale, cluster.KindExists, cluster.KindUnsafe:
		return exitConflict
	case cluster.KindInvalid:
		return exitRefused
	case cluster.KindNotConnected, cluster.KindNotInstalled, cluster.KindNoQuorum, cluster.KindTimedOut:
		return exitUnavailable
	case cluster.KindUsage, cluster.KindCrashed, cluster.KindFailed:
	}
	return exitFailure
}

// isConflict reports whether the state of the backend ended a deploy.
func isConflict(err error) bool {
	return errors.As(err, new(*canary.AbortedError)) || errors.As(err, new(*canary.ForeignError)) || errors.As(err, new(*lb.ConflictError))
}

// answerCode is the exit code for what an agent answered. What something else
// answered in its place says nothing about objects and rights.
func answerCode(answer *client.Error) int {
	if answer.Code == "" {
		return exitUnavailable
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return exitUnavailable
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	}
	return exitFailure
}

// describe is what the operator reads of an error: beside its sentence every
// bad field of a document, or HAProxy's own words.
func describe(err error) string {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return err.Error()
	}
	switch {
	case answer.Code == "":
		return err.Error() + ": this is not an agent"
	case answer.Status == http.StatusUnauthorized:
		return err.Error() + "; --token-file or THALASSA_TOKEN names one"
	case answer.Output != "":
		words := strings.TrimSpace(answer.Output)
		first, _, _ := strings.Cut(words, "\n")
		return strings.TrimSpace(strings.TrimSuffix(err.Error(), first)) + "\n" + words
	case len(answer.Fields) > 1:
		lines := []string{fmt.Sprintf("%d fields are wrong:", len(answer.Fields))}
		for _, f := range answer.Fields {
			lines = append(lines, "  "+f.Error())
		}
		return strings.Join(lines, "\n")
	}
	return err.Error()
}
