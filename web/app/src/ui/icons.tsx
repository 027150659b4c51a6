// The icons: 24 × 24, drawn with the current colour. Decorative; the control around them carries the label.
// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from 'react';

export interface IconProps {
  size?: number;
}

const icon =
  (children: ReactNode) =>
  ({ size = 22 }: IconProps) => (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );

const mic = (
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>
);
const cam = (
  <>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="m15.5 10.6 4.3-2.5a.8.8 0 0 1 1.2.7v6.4a.8.8 0 0 1-1.2.7l-4.3-2.5" />
  </>
);
const slash = <path d="M4 4l16 16" />;

export const MicIcon = icon(mic);
export const MicOffIcon = icon(
  <>
    <path d="M9 9v2a3 3 0 0 0 4.6 2.5M15 10.5V6a3 3 0 0 0-5.7-1.3M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.5 11.5c0 1.2-.3 2.3-.9 3.2M12 18v3" />
    {slash}
  </>,
);
export const CameraIcon = icon(cam);
export const CameraOffIcon = icon(
  <>
    <path d="M6.5 6.5h-1A2.5 2.5 0 0 0 3 9v6a2.5 2.5 0 0 0 2.5 2.500H13a2.5 2.5 0 0 0 2-1M10.5 6.500H13A2.5 2.5 0 0 1 15.5 9v1.600l4.3-2.500a.8.8 0 0 1 1.2.7v6.400a.8.8 0 0 1-.5.7" />
    {slash}
  </>,
);
export const ScreenIcon = icon(
  <>
    <rect x="3" y="4.5" width="18" height="12.5" rx="2.5" />
    <path d="M8.5 20.500h7M12 13.500V8.200M9.6 10.4 12 8l2.4 2.4" />
  </>,
);
export const ChatIcon = icon(<path d="M20.5 11.500a7.5 7.5 0 0 1-7.5 7.500H5.200a.7.7 0 0 1-.6-1.100l1.2-1.900A7.5 7.5 0 1 1 20.5 11.500Z" />);
export const PeopleIcon = icon(
  <>
    <circle cx="9" cy="8.5" r="3.3" />
    <path d="M3 19.500c.3-3.3 2.7-5.2 6-5.200s5.7 1.9 6 5.200M15.5 5.500a3.3 3.3 0 0 1 0 6M17.6 14.700c2 .7 3.2 2.4 3.4 4.8" />
  </>,
);
export const HandIcon = icon(
  <path d="M8 12.500V6.300a1.4 1.4 0 0 1 2.8 0V11m0-5.700V4.400a1.4 1.4 0 0 1 2.8 0V11m0-5.300a1.4 1.4 0 0 1 2.8 0v6.800m0-3.600a1.4 1.4 0 0 1 2.8 0v5.300c0 3.9-2.5 6.8-6.4 6.8-3 0-4.6-1.4-5.9-3.700l-2.3-4.100a1.4 1.4 0 0 1 2.3-1.500L8 13.5" />,
);
export const GridIcon = icon(
  <>
    <rect x="3.5" y="4.5" width="7.5" height="6.5" rx="1.5" />
    <rect x="13" y="4.5" width="7.5" height="6.5" rx="1.5" />
    <rect x="3.5" y="13" width="7.5" height="6.5" rx="1.5" />
    <rect x="13" y="13" width="7.5" height="6.5" rx="1.5" />
  </>,
);
export const SpeakerViewIcon = icon(
  <>
    <rect x="3.5" y="4.5" width="17" height="10" rx="2" />
    <path d="M4.5 18.500h3M10.5 18.500h3M16.5 18.500h3" />
  </>,
);
export const SettingsIcon = icon(
  <>
    <path d="M4 7h9M18 7h2M4 17h2M11 17h9" />
    <circle cx="15.5" cy="7" r="2.3" />
    <circle cx="8.5" cy="17" r="2.3" />
  </>,
);
export const LeaveIcon = icon(
  <path d="M3.2 13.700c-.6-1 .1-3 1.8-4.2 3.9-2.7 10.1-2.7 14 0 1.7 1.2 2.4 3.2 1.8 4.200l-.9 1.400c-.4.6-1.2.8-1.9.500l-2.5-1c-.7-.3-1-.9-1-1.600v-1.300c-1.6-.5-3.4-.5-5 0V13c0 .7-.3 1.3-1 1.600l-2.5 1c-.7.3-1.5.1-1.9-.5Z" />,
);
export const MoreIcon = icon(
  <>
    <circle cx="5.5" cy="12" r="1" />
    <circle cx="12" cy="12" r="1" />
    <circle cx="18.5" cy="12" r="1" />
  </>,
);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6 6 18" />);
export const SendIcon = icon(<path d="M4.5 12h7M4.6 5.1 20 12 4.6 18.900l1.7-6.900Z" />);
export const PinIcon = icon(<path d="M9 4.500h6l-.7 6 2.7 3v1.500H7v-1.500l2.7-3ZM12 15v5.5" />);
export const LinkIcon = icon(<path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.100a4 4 0 0 0-5.7-5.700l-1 1M14 10a4 4 0 0 0-5.7 0l-3.1 3.100a4 4 0 0 0 5.7 5.700l1-1" />);
export const SunIcon = icon(
  <>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v1.500M12 19.500V21M3 12h1.500M19.5 12H21M5.6 5.600l1.1 1.100M17.3 17.300l1.1 1.100M5.6 18.400l1.1-1.100M17.3 6.700l1.1-1.1" />
  </>,
);
export const MoonIcon = icon(<path d="M20 14.200A8.2 8.2 0 1 1 9.8 4a6.6 6.6 0 0 0 10.2 10.200Z" />);
export const KeyboardIcon = icon(
  <>
    <rect x="3" y="6" width="18" height="12" rx="2.5" />
    <path d="M7 10h.01M10.3 10h.01M13.7 10h.01M17 10h.01M8 14h8" />
  </>,
);
export const LeftIcon = icon(<path d="m14.5 6-6 6 6 6" />);
export const RightIcon = icon(<path d="m9.5 6 6 6-6 6" />);
export const RemoveIcon = icon(
  <>
    <circle cx="10" cy="8.5" r="3.3" />
    <path d="M4 19.500c.3-3.3 2.7-5.2 6-5.2 1.5 0 2.9.4 3.9 1.200M16 18h5.5" />
  </>,
);
export const SpeakerIcon = icon(<path d="M4 9.500v5h3.500L12 18.500v-13L7.5 9.500ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.500a7.7 7.7 0 0 1 0 11" />);
export const OfflineIcon = icon(
  <>
    <path d="M8.5 15.200a5 5 0 0 1 5-1M5 11.600A10 10 0 0 1 8.5 9.400M12.5 8.600a10 10 0 0 1 6.5 3M12 19h.01" />
    {slash}
  </>,
);
export const CheckIcon = icon(<path d="m5 12.5 4.5 4.500L19 7.5" />);

/** The mark: a keyhole. */
export const Mark = ({ size = 36 }: IconProps) => (
  <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" fill="var(--brand)" />
    <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
      <circle cx="16" cy="12.5" r="5" />
      <path d="M16 17.500V26M16 22.200h4M16 26h3" />
    </g>
  </svg>
);
