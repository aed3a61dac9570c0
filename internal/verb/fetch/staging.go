package fetch

import (
	"cooper"
	"cooper/internal/tree"
)

// Into is the staging of a tree.
func Into(s *tree.Staging) Staging { return staging{s} }

// staging narrows the types that tree.Staging gives to what is needed here.
type staging struct{ *tree.Staging }

func (s staging) Open(id cooper.Identity) (File, error) {
	f, err := s.Staging.Open(id)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (s staging) Create(id cooper.Identity) (Staged, error) {
	f, err := s.Staging.Create(id)
	if err != nil {
		return nil, err
	}
	return f, nil
}
