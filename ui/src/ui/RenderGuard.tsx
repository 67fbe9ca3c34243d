/**
 * Keeps one broken part from taking the page with it: what throws while rendering is replaced by
 * `fallback`, and tried again when `resetKey` changes.
 */
import { Component } from 'react';
import type { ReactNode } from 'react';

interface RenderGuardProps {
  fallback: ReactNode;
  resetKey?: unknown;
  children: ReactNode;
}

interface RenderGuardState {
  broken: boolean;
  resetKey: unknown;
}

export class RenderGuard extends Component<RenderGuardProps, RenderGuardState> {
  override state: RenderGuardState = { broken: false, resetKey: this.props.resetKey };

  static getDerivedStateFromError(): Partial<RenderGuardState> {
    return { broken: true };
  }

  static getDerivedStateFromProps(
    props: RenderGuardProps,
    state: RenderGuardState,
  ): Partial<RenderGuardState> | null {
    if (props.resetKey === state.resetKey) return null;
    return { broken: false, resetKey: props.resetKey };
  }

  override render(): ReactNode {
    return this.state.broken ? this.props.fallback : this.props.children;
  }
}
