import React from "react";

interface Props {
  title: string;
  onClose: () => void;
}

/** A heading. */
export const Heading: React.FC<Props> = ({ title }) => {
  return <h1>{title}</h1>;
};

export function Page(props: Props) {
  const [open, setOpen] = React.useState(false);

  function toggle() {
    setOpen(!open);
  }

  return (
    <main>
      <Row key="row-1" label="Row 1" onClick={toggle} />
      <Row key="row-2" label="Row 2" onClick={toggle} />
      <Row key="row-3" label="Row 3" onClick={toggle} />
      <Row key="row-4" label="Row 4" onClick={toggle} />
      <Row key="row-5" label="Row 5" onClick={toggle} />
      <Row key="row-6" label="Row 6" onClick={toggle} />
      <Row key="row-7" label="Row 7" onClick={toggle} />
      <Row key="row-8" label="Row 8" onClick={toggle} />
      <Row key="row-9" label="Row 9" onClick={toggle} />
      <Row key="row-10" label="Row 10" onClick={toggle} />
      <Row key="row-11" label="Row 11" onClick={toggle} />
      <Row key="row-12" label="Row 12" onClick={toggle} />
      <Row key="row-13" label="Row 13" onClick={toggle} />
      <Row key="row-14" label="Row 14" onClick={toggle} />
      <Row key="row-15" label="Row 15" onClick={toggle} />
      <Row key="row-16" label="Row 16" onClick={toggle} />
      <Row key="row-17" label="Row 17" onClick={toggle} />
      <Row key="row-18" label="Row 18" onClick={toggle} />
      <Row key="row-19" label="Row 19" onClick={toggle} />
      <Row key="row-20" label="Row 20" onClick={toggle} />
      <Row key="row-21" label="Row 21" onClick={toggle} />
      <Row key="row-22" label="Row 22" onClick={toggle} />
      <Row key="row-23" label="Row 23" onClick={toggle} />
      <Row key="row-24" label="Row 24" onClick={toggle} />
      <Row key="row-25" label="Row 25" onClick={toggle} />
      <Row key="row-26" label="Row 26" onClick={toggle} />
      <Row key="row-27" label="Row 27" onClick={toggle} />
      <Row key="row-28" label="Row 28" onClick={toggle} />
      <Row key="row-29" label="Row 29" onClick={toggle} />
      <Row key="row-30" label="Row 30" onClick={toggle} />
      <Row key="row-31" label="Row 31" onClick={toggle} />
      <Row key="row-32" label="Row 32" onClick={toggle} />
      <Row key="row-33" label="Row 33" onClick={toggle} />
      <Row key="row-34" label="Row 34" onClick={toggle} />
      <Row key="row-35" label="Row 35" onClick={toggle} />
      <Row key="row-36" label="Row 36" onClick={toggle} />
      <Row key="row-37" label="Row 37" onClick={toggle} />
      <Row key="row-38" label="Row 38" onClick={toggle} />
      <Row key="row-39" label="Row 39" onClick={toggle} />
      <Row key="row-40" label="Row 40" onClick={toggle} />
    </main>
  );
}

export class Legacy extends React.Component<Props> {
  render() {
    return <Heading {...this.props} />;
  }
}
