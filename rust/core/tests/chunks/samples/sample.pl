#!/usr/bin/perl
use strict;
use warnings;
use feature qw(say signatures);

package Shop::Item;

use constant MAX_PRICE => 100_000;
use constant { OPEN => 0, PAID => 1 };

our $VERSION = '1.02';

=head1 NAME

Shop::Item - a thing on a shelf

=cut

# Makes an item from a line of a file.
sub new {
    my ($class, %args) = @_;
    my $self = bless { sku => $args{sku}, price => $args{price} // 0 }, $class;
    die "too dear: $self->{price}" if $self->{price} > MAX_PRICE;
    return $self;
}

sub sku   { $_[0]{sku} }
sub price { $_[0]{price} }

sub gross ($self, $rate = 19) {
    return int($self->{price} * (100 + $rate) / 100);
}

package Shop::Order {
    use parent -norequire, 'Shop::Base';

    my %rates = (
        at => 20,
        be => 21,
        de => 19,
        fr => 20,
    );

    sub add {
        my ($self, $item) = @_;
        push @{ $self->{items} }, $item;
        return $self;
    }

    # What is to be paid, by country.
    sub total {
        my ($self, $country) = @_;
        my $rate = $rates{ lc $country } or die "no rate of $country";
        my $sum = 0;
        $sum += $_->gross($rate) for @{ $self->{items} };
        return $sum;
    }
}

package main;

# What a country is called in a letter.
sub country_name {
    my ($code) = @_;
    my %names = (
        at => ['Austria', 15, 'AT'],
        be => ['Belgium', 22, 'BE'],
        bg => ['Bulgaria', 16, 'BG'],
        hr => ['Croatia', 23, 'HR'],
        cy => ['Cyprus', 17, 'CY'],
        cz => ['Czechia', 24, 'CZ'],
        dk => ['Denmark', 18, 'DK'],
        ee => ['Estonia', 25, 'EE'],
        fi => ['Finland', 19, 'FI'],
        fr => ['France', 26, 'FR'],
        de => ['Germany', 20, 'DE'],
        gr => ['Greece', 27, 'GR'],
        hu => ['Hungary', 21, 'HU'],
        is => ['Iceland', 15, 'IS'],
        ie => ['Ireland', 22, 'IE'],
        it => ['Italy', 16, 'IT'],
        lv => ['Latvia', 23, 'LV'],
        li => ['Liechtenstein', 17, 'LI'],
        lt => ['Lithuania', 24, 'LT'],
        lu => ['Luxembourg', 18, 'LU'],
        mt => ['Malta', 25, 'MT'],
        nl => ['Netherlands', 19, 'NL'],
        no => ['Norway', 26, 'NO'],
        pl => ['Poland', 20, 'PL'],
        pt => ['Portugal', 27, 'PT'],
        ro => ['Romania', 21, 'RO'],
        sk => ['Slovakia', 15, 'SK'],
        si => ['Slovenia', 22, 'SI'],
        es => ['Spain', 16, 'ES'],
        se => ['Sweden', 23, 'SE'],
        ch => ['Switzerland', 17, 'CH'],
        ua => ['Ukraine', 24, 'UA'],
        gb => ['Britain', 18, 'GB'],
        al => ['Albania', 25, 'AL'],
        rs => ['Serbia', 19, 'RS'],
        me => ['Montenegro', 26, 'ME'],
        md => ['Moldova', 20, 'MD'],
        mk => ['Macedonia', 27, 'MK'],
        ba => ['Bosnia', 21, 'BA'],
        ge => ['Georgia', 15, 'GE'],
        am => ['Armenia', 22, 'AM'],
        tr => ['Turkey', 16, 'TR'],
        us => ['America', 23, 'US'],
        ca => ['Canada', 17, 'CA'],
        mx => ['Mexico', 24, 'MX'],
        br => ['Brazil', 18, 'BR'],
        ar => ['Argentina', 25, 'AR'],
        cl => ['Chile', 19, 'CL'],
        jp => ['Japan', 26, 'JP'],
        kr => ['Korea', 20, 'KR'],
        cn => ['China', 27, 'CN'],
        in => ['India', 21, 'IN'],
        au => ['Australia', 15, 'AU'],
        nz => ['Zealand', 22, 'NZ'],
        za => ['Africa', 16, 'ZA'],
        eg => ['Egypt', 23, 'EG'],
        ma => ['Morocco', 17, 'MA'],
        tn => ['Tunisia', 24, 'TN'],
        ke => ['Kenya', 18, 'KE'],
        ng => ['Nigeria', 25, 'NG'],
        gh => ['Ghana', 19, 'GH'],
    );
    my $found = $names{ lc $code } or die "no country $code";
    return $found->[0];
}

# Reads a report such as
#     sku;price;country
# and prints a line for each country, then one for all. Lines that are no items are counted.
sub report {
    my ($file) = @_;
    my (%by_country, $bad);
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!";
    while (my $line = <$in>) {
        chomp $line;
        next if $line =~ /^\s*(?:#|$)/;
        unless ($line =~ m{^(?<sku>[A-Z0-9-]+);(?<price>\d+);(?<country>\w\w)$}) {
            warn "$file:$.: not an item: $line\n";
            $bad++;
            next;
        }
        my $item = Shop::Item->new(sku => $+{sku}, price => $+{price});
        my $order = $by_country{ $+{country} } //= Shop::Order->new;
        $order->add($item);
    }
    close $in;
    my $all = 0;
    for my $country (sort keys %by_country) {
        my $total = eval { $by_country{$country}->total($country) };
        if ($@) {
            warn "cannot add up $country: $@";
            next;
        }
        printf "%-4s %10.2f\n", $country, $total / 100;
        $all += $total;
    }
    printf "%-4s %10.2f\n", 'all', $all / 100;
    print STDERR <<"END" if $bad;
$bad lines were no items.
See the manual of $0.
END
    my @items = map { @{ $_->{items} } } values %by_country;
    my ($cheapest) = sort { $a->price <=> $b->price } @items;
    my ($dearest) = sort { $b->price <=> $a->price } @items;
    if (@items) {
        printf "cheapest %s at %.2f\n", $cheapest->sku, $cheapest->price / 100;
        printf "dearest  %s at %.2f\n", $dearest->sku, $dearest->price / 100;
        printf "mean     %.2f of %d items\n", $all / @items / 100, scalar @items;
    }
    return $all;
}

exit(report(@ARGV) ? 0 : 1);
