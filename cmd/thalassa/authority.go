package main

import (
	"errors"
	"log/slog"
	"time"

	"thalassa/auth"
	"thalassa/auth/pam"
	"thalassa/lb"
	"thalassa/settings"
)

// pamSocket is where systemd starts thalassa-pam for the agent.
const pamSocket = "/run/thalassa-pam.sock"

// authority opens the token file and the access file; nil: there is neither.
func (n node) authority() (*auth.Authority, error) {
	tokens, access, err := openCallers(n.settings, n.now, n.log)
	if err != nil {
		return nil, err
	}
	authority := auth.NewAuthority(tokens, access)
	authority.UseAccounts(pam.New(pam.Config{Socket: pamSocket, Program: pamProgram()}))
	return authority, nil
}

// openCallers opens the token file and the access file; nil: there is none.
func openCallers(s *settings.Agent, now func() time.Time, log *slog.Logger) (tokens *auth.Tokens, access *auth.Access, err error) {
	if file := s.TokenFile(); file != "" {
		if tokens, err = auth.Open(file, log); err != nil {
			return nil, nil, settings.Error{Err: err}
		}
	}
	if file := s.AccessFile(); file != "" {
		if access, err = auth.OpenAccess(file, now, log); err != nil {
			return nil, nil, settings.Error{Err: err}
		}
	}
	return tokens, access, nil
}

// mayDeploy returns a function that asks whether the owner of a name may deploy a backend now; nil
// where everybody may.
func mayDeploy(authority *auth.Authority) func(name string, backend lb.Name) error {
	if authority == nil {
		return nil
	}
	return func(name string, backend lb.Name) error {
		if authority.AllowsNow(name, auth.Deploy, lb.Backend{Key: backend}.ID()) {
			return nil
		}
		return errors.New("has no token or user any more with the role " + auth.Deploy.String() + " or above for that backend")
	}
}
