package s3

import (
	"context"
	"errors"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/retry"
)

// settling is the taking in of one answer about many removals.
type settling struct {
	b    *Bucket
	rs   []store.Removal
	left []int // into rs: what was asked for
	errs []error

	settled, passing map[int]bool
	// refused are rows that name no version although several of the key were asked for.
	refused map[string]*removed
	// doubted are rows that may only say that there is no such version.
	doubted map[int]*removed
	again   error // why something is worth another attempt
}

// settle takes in what a store answered about the versions of rs at left. It
// gives those that are worth another attempt, with the reason. What the answer
// leaves open is looked at.
func (b *Bucket) settle(ctx context.Context, rs []store.Removal, left []int, answer []removed, errs []error) ([]int, error) {
	s := settling{b: b, rs: rs, left: left, errs: errs, settled: map[int]bool{}, passing: map[int]bool{}, refused: map[string]*removed{}, doubted: map[int]*removed{}}
	if err := s.rows(answer); err != nil {
		return left, err
	}
	if err := s.look(ctx); err != nil {
		return left, err
	}
	left = slices.DeleteFunc(left, func(i int) bool { return s.settled[i] })
	if len(left) > 0 && s.again == nil {
		s.again = malformed("no word of %d of the versions to be removed", len(left))
	}
	return left, s.again
}

// rows takes in what is said.
func (s *settling) rows(answer []removed) error {
	open := make(map[[2]string]int, len(s.left))
	byKey := make(map[string][]int, len(s.left))
	for _, i := range s.left {
		key := s.rs[i].Key
		open[[2]string{key, s.rs[i].VersionID}] = i
		byKey[key] = append(byKey[key], i)
	}
	for n := range answer {
		row := &answer[n]
		i, asked := open[[2]string{row.key, row.version}]
		if !asked && row.version == "" { // some stores do not repeat the id
			switch of := byKey[row.key]; {
			case len(of) == 1:
				i, asked = of[0], true
			case len(of) > 1:
				if row.code != "" {
					s.refused[row.key] = row
				}
				continue
			}
		}
		if !asked {
			return malformed("word of removing %s, which nobody asked for", clip(row.key, 200))
		}
		if row.code == codeInvalid && s.rs[i].IfMatch == "" {
			s.doubted[i] = row
		} else {
			s.take(i, row)
		}
	}
	return nil
}

// codeInvalid is what some stores (MinIO, SeaweedFS, versitygw) say of a version id that
// a key does not have.
const codeInvalid = "InvalidArgument"

// take takes in what is said of one version.
func (s *settling) take(i int, row *removed) {
	passes, err := s.b.verdict(&s.rs[i], row)
	switch {
	case passes && !s.settled[i]:
		s.passing[i] = true
		if v, _ := judge(err); s.again == nil || v == retry.Slow {
			s.again = err
		}
	case !passes:
		s.errs[i] = errors.Join(s.errs[i], err)
		s.settled[i] = true
	}
}

// look asks the store what is there of the versions of which nothing was said. A
// version that is not listed any more is gone. Where the store cannot be asked,
// it stays open. The error is that of ctx.
func (s *settling) look(ctx context.Context) error {
	there := map[string]map[string]bool{}
	for _, i := range s.left {
		if s.settled[i] || s.passing[i] {
			continue
		}
		key := s.rs[i].Key
		ids, known := there[key]
		if !known {
			var err error
			if ids, err = s.b.versionsOf(ctx, key); ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil {
				ids = nil
			}
			there[key] = ids
		}
		row := s.refused[key]
		if said := s.doubted[i]; said != nil {
			row = said
		}
		switch {
		case ids == nil && s.doubted[i] != nil:
			s.take(i, row)
		case ids == nil:
		case !ids[s.rs[i].VersionID]:
			s.settled[i] = true
		case row != nil && !gone(row.code):
			s.take(i, row)
		}
	}
	return nil
}

// versionsOf lists the ids of a key, within an attempt at something else. Its
// requests wait for their turn like others.
func (b *Bucket) versionsOf(ctx context.Context, key string) (map[string]bool, error) {
	ids := map[string]bool{}
	w := walk{query: store.ListQuery{Prefix: key}}
	next := listing{prefix: key}
	for {
		if err := b.limit.Turn(ctx); err != nil {
			return nil, err
		}
		p, err := b.client.list(ctx, next)
		if err != nil {
			return nil, err
		}
		more := p.truncated
		if next, err = w.accept(p, next); err != nil {
			return nil, err
		}
		beyond := func(v cooper.Version) bool { return strings.Compare(v.Key, key) > 0 }
		for _, v := range p.versions {
			if v.Key == key {
				ids[v.VersionID] = true
			}
		}
		if !more || slices.ContainsFunc(p.versions, beyond) {
			return ids, nil
		}
	}
}
