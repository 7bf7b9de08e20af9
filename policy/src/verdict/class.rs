//! What depends on the prefix, in a few bits.

use bgp_wire::Family;

use crate::aspa::AspaState;
use crate::rov::RovState;

/// What the IRR checks found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum IrrState {
    /// Nobody asked.
    #[default]
    NotChecked,
    /// In the member's set.
    Present,
    /// Not in it.
    Absent,
    /// A ROA stands in for the route object.
    Roa,
    /// Among the configured extras.
    WhiteList,
}

/// What depends on the prefix and decides about the plan, packed: ROV, IRR and ASPA states,
/// blackhole, transit, family. A plan is a function of attribute set, source and class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VerdictClass(pub u16);

const ROV: u32 = 0;
const ASPA: u32 = 2;
const ORIGIN: u32 = 4;
const PREFIX: u32 = 7;
const BLACKHOLE: u16 = 1 << 10;
const TRANSIT: u16 = 1 << 11;
const V6: u16 = 1 << 12;

impl VerdictClass {
    /// Nothing was checked.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self(if family == Family::V6 { V6 } else { 0 })
    }

    /// The family of the prefix.
    #[must_use]
    pub fn family(self) -> Family {
        if self.0 & V6 == 0 { Family::V4 } else { Family::V6 }
    }

    /// Origin validation.
    #[must_use]
    pub fn rov(self) -> RovState {
        match self.field(ROV, 2) {
            1 => RovState::NotFound,
            2 => RovState::Valid,
            3 => RovState::Invalid,
            _ => RovState::NotChecked,
        }
    }

    /// Path verification.
    #[must_use]
    pub fn aspa(self) -> AspaState {
        match self.field(ASPA, 2) {
            1 => AspaState::Unknown,
            2 => AspaState::Valid,
            3 => AspaState::Invalid,
            _ => AspaState::NotChecked,
        }
    }

    /// The origin AS in the IRR.
    #[must_use]
    pub fn irr_origin(self) -> IrrState {
        irr_state(self.field(ORIGIN, 3))
    }

    /// The prefix in the IRR.
    #[must_use]
    pub fn irr_prefix(self) -> IrrState {
        irr_state(self.field(PREFIX, 3))
    }

    /// Whether one of the IRR checks fails.
    #[must_use]
    pub fn fails_irr(self) -> bool {
        self.irr_origin() == IrrState::Absent || self.irr_prefix() == IrrState::Absent
    }

    /// Whether somebody vouches that it is the member's: its set, a ROA in the place of a route
    /// object, or the operator.
    #[must_use]
    pub fn passes_irr(self) -> bool {
        !self.fails_irr() && self.irr_prefix() != IrrState::NotChecked
    }

    /// Whether it is a blackhole request that was taken.
    #[must_use]
    pub fn blackhole(self) -> bool {
        self.0 & BLACKHOLE != 0
    }

    /// Whether it is a transit route on a transitable route server.
    #[must_use]
    pub fn transit(self) -> bool {
        self.0 & TRANSIT != 0
    }

    /// With this state of origin validation.
    #[must_use]
    pub fn with_rov(self, state: RovState) -> Self {
        self.with(ROV, 2, state as u8)
    }

    /// With this state of path verification.
    #[must_use]
    pub fn with_aspa(self, state: AspaState) -> Self {
        self.with(ASPA, 2, state as u8)
    }

    /// With this state of the origin AS.
    #[must_use]
    pub fn with_irr_origin(self, state: IrrState) -> Self {
        self.with(ORIGIN, 3, state as u8)
    }

    /// With this state of the prefix.
    #[must_use]
    pub fn with_irr_prefix(self, state: IrrState) -> Self {
        self.with(PREFIX, 3, state as u8)
    }

    /// A blackhole request that was taken.
    #[must_use]
    pub fn with_blackhole(self) -> Self {
        Self(self.0 | BLACKHOLE)
    }

    /// A transit route.
    #[must_use]
    pub fn with_transit(self) -> Self {
        Self(self.0 | TRANSIT)
    }

    fn field(self, shift: u32, width: u32) -> u16 {
        (self.0 >> shift) & ((1 << width) - 1)
    }

    fn with(self, shift: u32, width: u32, value: u8) -> Self {
        let mask = ((1 << width) - 1) << shift;
        Self((self.0 & !mask) | (u16::from(value) << shift))
    }
}

impl std::fmt::Debug for VerdictClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerdictClass")
            .field("family", &self.family())
            .field("rov", &self.rov())
            .field("aspa", &self.aspa())
            .field("irr_origin", &self.irr_origin())
            .field("irr_prefix", &self.irr_prefix())
            .field("blackhole", &self.blackhole())
            .field("transit", &self.transit())
            .finish()
    }
}

fn irr_state(bits: u16) -> IrrState {
    match bits {
        1 => IrrState::Present,
        2 => IrrState::Absent,
        3 => IrrState::Roa,
        4 => IrrState::WhiteList,
        _ => IrrState::NotChecked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_keeps_to_itself() {
        let class = VerdictClass::new(Family::V6)
            .with_rov(RovState::Invalid)
            .with_aspa(AspaState::Unknown)
            .with_irr_origin(IrrState::WhiteList)
            .with_irr_prefix(IrrState::Absent)
            .with_blackhole();
        assert_eq!(class.family(), Family::V6);
        assert_eq!(class.rov(), RovState::Invalid);
        assert_eq!(class.aspa(), AspaState::Unknown);
        assert_eq!(class.irr_origin(), IrrState::WhiteList);
        assert_eq!(class.irr_prefix(), IrrState::Absent);
        assert!(class.blackhole() && !class.transit() && class.fails_irr());
        let again = class.with_rov(RovState::Valid).with_irr_prefix(IrrState::Roa).with_transit();
        assert_eq!((again.rov(), again.irr_prefix()), (RovState::Valid, IrrState::Roa));
        assert!(again.transit() && !again.fails_irr());
    }
}
